"""`pydocker ps`."""

from __future__ import annotations

from typing import Any

import click

from engine.cli.columns import ago
from engine.client import DockerClient, Endpoint
from engine.client.commands import coroutine
from engine.client.tables import table
from engine.errdefs import InvalidParameter

HEADER = ("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")


@click.command("ps")
@click.option(
    "-a", "--all", "everything", is_flag=True, help="Show all containers (default shows just running)"
)
@click.option("-f", "--filter", "filters", multiple=True, help="As in name=web, status=exited, label=a=b")
@click.option("-q", "--quiet", is_flag=True, help="Only display container IDs")
@click.option("--no-trunc", is_flag=True, help="Don't truncate output")
@click.pass_obj
@coroutine
async def command(
    endpoint: Endpoint, everything: bool, filters: tuple[str, ...], quiet: bool, no_trunc: bool
) -> None:
    """List containers."""
    async with DockerClient(endpoint) as docker:
        containers = await docker.containers(all=everything, filters=parse_filters(filters))
    width = None if no_trunc else 12
    if quiet:
        for container in containers:
            click.echo(container["Id"][:width])
        return
    click.echo(table(HEADER, (row(container, no_trunc=no_trunc) for container in containers)))


def parse_filters(filters: tuple[str, ...]) -> dict[str, list[str]]:
    """``("name=a", "name=b")`` → ``{"name": ["a", "b"]}``."""
    wanted: dict[str, list[str]] = {}
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals:
            raise InvalidParameter(f"invalid filter {text!r}: expected NAME=VALUE")
        wanted.setdefault(key, []).append(value)
    return wanted


def row(container: dict[str, Any], *, no_trunc: bool) -> tuple[str, ...]:
    """A container as docker shows it."""
    command = container["Command"]
    if not no_trunc and len(command) > 20:
        command = command[:19] + "…"
    names = (name.removeprefix("/") for name in container["Names"])
    return (
        container["Id"] if no_trunc else container["Id"][:12],
        container["Image"],
        f'"{command}"',
        ago(container["Created"]),
        container["Status"],
        ", ".join(sorted({port(p) for p in container["Ports"]})),
        ",".join(names),
    )


def port(mapping: dict[str, Any]) -> str:
    """``0.0.0.0:8080->80/tcp``, or ``80/tcp`` where nothing is published."""
    inside = f"{mapping['PrivatePort']}/{mapping['Type']}"
    if not mapping.get("PublicPort"):
        return inside
    address = mapping.get("IP", "")
    return f"{f'[{address}]' if ':' in address else address}:{mapping['PublicPort']}->{inside}"
