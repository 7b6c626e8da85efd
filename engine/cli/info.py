"""`pydocker info`: what an engine is; a cluster's endpoint shows its nodes."""

from __future__ import annotations

import click

from engine.cli.columns import memory
from engine.client import DockerClient, Endpoint
from engine.client.commands import coroutine

# heading, member of /info
ROWS = (
    ("Containers", "Containers"),
    (" Running", "ContainersRunning"),
    (" Paused", "ContainersPaused"),
    (" Stopped", "ContainersStopped"),
    ("Images", "Images"),
    ("Server Version", "ServerVersion"),
    ("Storage Driver", "Driver"),
    ("Logging Driver", "LoggingDriver"),
    ("Cgroup Version", "CgroupVersion"),
    ("Kernel Version", "KernelVersion"),
    ("Operating System", "OperatingSystem"),
    ("Architecture", "Architecture"),
    ("CPUs", "NCPU"),
    ("Name", "Name"),
    ("ID", "ID"),
    ("Docker Root Dir", "DockerRootDir"),
)


@click.command("info")
@click.pass_obj
@coroutine
async def command(endpoint: Endpoint) -> None:
    """Show an engine, or a cluster's nodes."""
    async with DockerClient(endpoint) as docker:
        info = await docker.info()
    for heading, member in ROWS:
        if info.get(member) not in (None, ""):
            click.echo(f"{heading}: {info[member]}")
    if info.get("MemTotal"):
        click.echo(f"Total Memory: {memory(info['MemTotal'])}")
    for key, value in info.get("SystemStatus") or []:
        click.echo(f"{key}: {value}")
    for label in info.get("Labels") or []:
        click.echo(f"Label: {label}")
    for warning in info.get("Warnings") or []:
        click.echo(f"WARNING: {warning}", err=True)
