"""`exec`: run a command in a running container."""

from __future__ import annotations

import sys
from typing import Any

import click

from compose.cli.context import Settings
from compose.cli.engine import find, instance, with_engine
from compose.errors import ExitWith
from engine.client import DockerClient


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-d", "--detach", is_flag=True, help="Run command in the background")
@click.option("-e", "--env", "environment", multiple=True, help="Set environment variables")
@click.option("--index", type=int, default=None, help="Index of the container if service has several")
@click.option("-i", "--interactive", is_flag=True, hidden=True)
@click.option("-t", "--tty", is_flag=True, hidden=True)
@click.option("--privileged", is_flag=True, help="Give extended privileges to the process")
@click.option("-T", "--no-TTY", "no_tty", is_flag=True, help="Disable pseudo-TTY allocation")
@click.option("-u", "--user", default="", help="Run the command as this user")
@click.option("-w", "--workdir", default="", help="Path to workdir directory for this command")
@click.argument("service")
@click.argument("args", nargs=-1, required=True)
@click.pass_obj
def command(settings: Settings, /, service: str, args: tuple[str, ...], **given: Any) -> None:
    """Execute a command in a running container."""
    code = with_engine(settings, lambda client: _run(client, settings, service, args, given))
    if code:
        raise ExitWith(code)


async def _run(
    client: DockerClient, settings: Settings, service: str, args: tuple[str, ...], given: dict[str, Any]
) -> int:
    from compose.execute.interactive import converse

    _, observed = await find(client, settings, [service])
    container = instance(observed.containers, service, given["index"])
    terminal = not given["no_tty"] and not given["detach"] and sys.stdin.isatty() and sys.stdout.isatty()
    request = {
        "AttachStdin": not given["detach"],
        "AttachStdout": not given["detach"],
        "AttachStderr": not given["detach"],
        "Tty": terminal,
        "Cmd": list(args),
        "Env": list(given["environment"]),
        "Privileged": given["privileged"],
        "User": given["user"],
        "WorkingDir": given["workdir"],
    }
    created = await client.json("POST", f"/containers/{container.id}/exec", json=request)
    identity = created["Id"]
    start = {"Detach": given["detach"], "Tty": terminal}
    if given["detach"]:
        await client.json("POST", f"/exec/{identity}/start", json=start)
        return 0
    stream = await client.hijack("POST", f"/exec/{identity}/start", json=start)

    async def resize(height: int, width: int) -> None:
        await client.json("POST", f"/exec/{identity}/resize", params={"h": height, "w": width})

    await converse(stream, terminal=terminal, stdin=True, resize=resize)
    return int((await client.json("GET", f"/exec/{identity}/json"))["ExitCode"] or 0)
