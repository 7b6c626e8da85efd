"""Verbs that do one thing to each container named: start, stop, rm."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

import click

from engine.client import DockerClient, Endpoint
from engine.client.commands import coroutine
from engine.errdefs import DockyardError, NotModified


async def each(
    endpoint: Endpoint, names: tuple[str, ...], act: Callable[[DockerClient, str], Awaitable[None]]
) -> None:
    """Do it to all, print each name that worked, then fail if one did not."""
    failed: list[DockyardError] = []
    async with DockerClient(endpoint) as docker:
        for name in names:
            try:
                await act(docker, quote(name, safe=""))
                click.echo(name)
            except NotModified:
                click.echo(name)
            except DockyardError as exc:
                failed.append(exc)
    if failed:
        raise type(failed[0])("\n".join(f"Error response from daemon: {exc}" for exc in failed))


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.pass_obj
@coroutine
async def start(endpoint: Endpoint, names: tuple[str, ...]) -> None:
    """Start the containers NAMES."""

    async def act(docker: DockerClient, name: str) -> None:
        await docker.json("POST", f"/containers/{name}/start")

    await each(endpoint, names, act)


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("-t", "--timeout", type=int, help="Seconds to wait before killing the container")
@click.pass_obj
@coroutine
async def stop(endpoint: Endpoint, names: tuple[str, ...], timeout: int | None) -> None:
    """Stop the containers NAMES."""

    async def act(docker: DockerClient, name: str) -> None:
        await docker.json("POST", f"/containers/{name}/stop", params={"t": timeout})

    await each(endpoint, names, act)


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("-f", "--force", is_flag=True, help="Force the removal of a running container (uses SIGKILL)")
@click.option("-v", "--volumes", is_flag=True, help="Remove anonymous volumes with them")
@click.pass_obj
@coroutine
async def rm(endpoint: Endpoint, names: tuple[str, ...], force: bool, volumes: bool) -> None:
    """Remove the containers NAMES."""

    async def act(docker: DockerClient, name: str) -> None:
        await docker.json("DELETE", f"/containers/{name}", params={"force": force, "v": volumes})

    await each(endpoint, names, act)
