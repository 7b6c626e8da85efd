"""SSH for provisioning, on asyncssh. A host key is recorded at the first connection and checked ever after.

What the machine's own `known_hosts` holds is the key seen while it was created; a host that answers
with another one later is refused, whoever it is.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import asyncssh

from engine.errdefs import DeadlineExceeded, Forbidden, InvalidParameter, SystemFailure, Unavailable
from machine.driver import SSHTarget
from machine.store import write_private

FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0


class Session:
    """A connection as a user who may become root. Use as an async context manager."""

    def __init__(self, connection: asyncssh.SSHClientConnection, target: SSHTarget) -> None:
        self._connection = connection
        self._target = target

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        await self._connection.wait_closed()

    async def run(
        self, command: str, *, input: bytes | None = None, check: bool = True, timeout: float = 900
    ) -> str:
        """Run a shell command as root and return its output.

        SystemFailure, with what the command said, if it exits with anything but 0.
        """
        if self._target.user != "root":
            command = f"sudo -n sh -c {shlex.quote(command)}"
        try:
            done = await self._connection.run(command, input=input, encoding=None, timeout=timeout)
        except (asyncssh.Error, OSError) as exc:
            raise Unavailable(f"connection to {self._target.host} was lost: {exc}") from exc
        out = _text(done.stdout)
        if check and done.exit_status != 0:
            said = _text(done.stderr).strip() or out.strip()
            shown = command if len(command) < 200 else command[:200] + "…"
            raise SystemFailure(f"on {self._target.host}, `{shown}` exited {done.exit_status}: {said}")
        return out

    async def upload(self, content: bytes, path: str, *, mode: str = "0644") -> None:
        """Write a file as root, whole or not at all; nothing of it is in a process's arguments."""
        quoted, temporary = shlex.quote(path), shlex.quote(path + ".new")
        directory = shlex.quote(path.rpartition("/")[0] or "/")
        script = f"mkdir -p {directory} && umask 077 && cat > {temporary}"
        await self.run(f"{script} && chmod {mode} {temporary} && mv {temporary} {quoted}", input=content)


def _text(output: bytes | str | None) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""


def _load_key(path: Path) -> asyncssh.SSHKey:
    try:
        return asyncssh.read_private_key(str(path))
    except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as exc:
        raise InvalidParameter(f"SSH key {path} can not be used: {exc}") from exc


async def connect(target: SSHTarget, known_hosts: Path, *, record: bool = False) -> Session:
    """Log in. record: believe whatever key the host shows and write it down (only while creating).

    Raises Unavailable if the host does not answer, Forbidden if its key is not the recorded one,
    InvalidParameter if our key is refused or unreadable.
    """
    first = record and not known_hosts.exists()
    keys: object = [_load_key(target.key)] if target.key else ()
    try:
        connection = await asyncssh.connect(
            target.host,
            target.port,
            username=target.user,
            client_keys=keys,
            known_hosts=None if first else str(known_hosts),
            config=None,
            login_timeout=30,
            connect_timeout=10,
        )
    except asyncssh.HostKeyNotVerifiable as exc:
        raise Forbidden(
            f"the host key of {target.host} is not the one recorded when the machine was created "
            f"({known_hosts}): somebody may be listening in, or the host was installed anew. "
            "If you know that it was, remove the machine and create it again"
        ) from exc
    except asyncssh.PermissionDenied as exc:
        key = target.key or "the agent's keys"
        raise InvalidParameter(f"{target.user}@{target.host} refused the login with {key}: {exc}") from exc
    except (asyncssh.Error, OSError, TimeoutError) as exc:
        raise Unavailable(
            f"cannot reach {target.host}:{target.port} over SSH: {exc or type(exc).__name__}"
        ) from exc
    if first:
        _record(connection, target, known_hosts)
    return Session(connection, target)


def _record(connection: asyncssh.SSHClientConnection, target: SSHTarget, known_hosts: Path) -> None:
    key = connection.get_server_host_key()
    if key is None:
        raise SystemFailure(f"{target.host} showed no host key")
    host = target.host if target.port == 22 else f"[{target.host}]:{target.port}"
    public = key.export_public_key().decode().split()[:2]
    write_private(known_hosts, f"{host} {' '.join(public)}\n".encode())


async def wait_for(
    target: SSHTarget, known_hosts: Path, *, timeout: float, report: Callable[[str], None]
) -> Session:
    """Try to log in until it works, with growing pauses; `report` hears each new reason why it does not."""
    loop = asyncio.get_running_loop()
    deadline, pause, told = loop.time() + timeout, FIRST_WAIT, ""
    while True:
        try:
            return await connect(target, known_hosts, record=True)
        except Unavailable as exc:
            if str(exc) != told:
                told = str(exc)
                report(told)
            if loop.time() + pause > deadline:
                raise DeadlineExceeded(f"gave up after {timeout:g} s: {exc}") from exc
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_WAIT)
