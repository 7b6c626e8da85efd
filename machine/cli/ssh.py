"""`pymachine ssh`: a shell or one command on a machine, through paramiko."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import termios
import tty
from types import FrameType

import click
import paramiko

from engine.errdefs import Forbidden, InvalidParameter, Unavailable, Unsupported
from machine.host import Machine
from machine.store import Store

CHUNK = 32 * 1024


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def ssh(ctx: click.Context, name: str, command: tuple[str, ...]) -> None:
    """Log into the machine NAME, or run COMMAND on it and exit with its exit code."""
    store: Store = ctx.obj
    client = connect(store.load(name))
    try:
        channel = _transport(client).open_session()
        if command:
            channel.exec_command(" ".join(command))
            code = _copy(channel)
        else:
            code = _shell(channel)
    finally:
        client.close()
    ctx.exit(code)


def connect(machine: Machine) -> paramiko.SSHClient:
    """Log in as the driver says; only the host key recorded at creation is believed."""
    target = machine.driver.ssh()
    if target is None:
        raise Unsupported(f"machine {machine.name!r} has no SSH (driver {machine.record.driver_name})")
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    if machine.known_hosts.exists():
        client.load_host_keys(str(machine.known_hosts))
    try:
        client.connect(
            target.host,
            target.port,
            target.user,
            key_filename=str(target.key) if target.key else None,
            allow_agent=target.key is None,
            look_for_keys=False,
            timeout=10,
        )
    except (paramiko.BadHostKeyException, paramiko.SSHException) as exc:
        client.close()
        if isinstance(exc, paramiko.AuthenticationException):
            raise InvalidParameter(f"{target.user}@{target.host} refused the login: {exc}") from exc
        raise Forbidden(f"the host key of {target.host} is not the recorded one: {exc}") from exc
    except OSError as exc:
        client.close()
        raise Unavailable(f"cannot reach {target.host}:{target.port} over SSH: {exc}") from exc
    return client


def _transport(client: paramiko.SSHClient) -> paramiko.Transport:
    transport = client.get_transport()
    if transport is None:
        raise Unavailable("the SSH connection was closed")
    return transport


def _copy(channel: paramiko.Channel) -> int:
    """Copy streams both ways until the remote command has ended; its exit code."""
    stdin: int | None = sys.stdin.fileno()
    while True:
        sources: list[paramiko.Channel | int] = [channel] if stdin is None else [channel, stdin]
        readable, _, _ = select.select(sources, [], [], 1.0)
        if stdin in readable and stdin is not None:
            data = os.read(stdin, CHUNK)
            if data:
                channel.sendall(data)
            else:
                channel.shutdown_write()
                stdin = None
        progress = False
        while channel.recv_ready():
            progress = _write(1, channel.recv(CHUNK))
        while channel.recv_stderr_ready():
            progress = _write(2, channel.recv_stderr(CHUNK))
        if (
            not progress
            and channel.exit_status_ready()
            and not (channel.recv_ready() or channel.recv_stderr_ready())
        ):
            return channel.recv_exit_status()


def _write(descriptor: int, data: bytes) -> bool:
    while data:
        data = data[os.write(descriptor, data) :]
    return True


def _shell(channel: paramiko.Channel) -> int:
    """An interactive shell in a terminal; raw mode is undone on every way out."""
    if not sys.stdin.isatty():
        channel.invoke_shell()
        return _copy(channel)
    size = shutil.get_terminal_size()
    channel.get_pty(os.environ.get("TERM", "xterm"), size.columns, size.lines)
    channel.invoke_shell()

    def resize(signum: int, frame: FrameType | None) -> None:
        now = shutil.get_terminal_size()
        channel.resize_pty(now.columns, now.lines)

    saved, handler = termios.tcgetattr(sys.stdin), signal.signal(signal.SIGWINCH, resize)
    try:
        tty.setraw(sys.stdin.fileno())
        return _copy(channel)
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)
        signal.signal(signal.SIGWINCH, handler)
