"""`pydocker version`."""

from __future__ import annotations

import platform

import click

from engine.api.versions import API_VERSION, ENGINE_VERSION
from engine.client import DockerClient, Endpoint
from engine.client.commands import coroutine


@click.command("version")
@click.pass_obj
@coroutine
async def command(endpoint: Endpoint) -> None:
    """Show the versions of client and engine."""
    click.echo(f"Client: Dockyard\n Version:      {ENGINE_VERSION}\n API version:  {API_VERSION}")
    click.echo(f" Python:       {platform.python_version()}\n OS/Arch:      linux/{platform.machine()}\n")
    async with DockerClient(endpoint) as docker:
        version = await docker.version()
    name = (version.get("Platform") or {}).get("Name") or "Docker Engine"
    click.echo(f"Server: {name}\n Version:      {version['Version']}")
    click.echo(
        f" API version:  {version['ApiVersion']} (minimum version {version.get('MinAPIVersion', '?')})"
    )
    click.echo(f" OS/Arch:      {version['Os']}/{version['Arch']}")
    click.echo(f" Kernel:       {version.get('KernelVersion', '?')}")
