"""`top`."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from compose.cli.context import Settings
from compose.cli.engine import find, with_engine
from compose.plan.state import Container
from compose.plan.teardown import chosen
from engine.client import DockerClient
from engine.client.tables import table


@click.command("top")
@click.argument("services", nargs=-1)
@click.pass_obj
def command(settings: Settings, /, services: tuple[str, ...]) -> None:
    """Display the running processes."""

    async def run(client: DockerClient) -> list[tuple[Container, dict[str, Any]]]:
        _, observed = await find(client, settings, services)
        containers = [c for c in chosen(observed, services) if c.running]
        answers = await asyncio.gather(*(client.json("GET", f"/containers/{c.id}/top") for c in containers))
        return list(zip(containers, answers, strict=True))

    found = with_engine(settings, run)
    if not found:
        return
    header = ("SERVICE", "#", *found[0][1]["Titles"])
    rows = [(c.service, str(c.number), *row) for c, answer in found for row in answer["Processes"] or ()]
    click.echo(table(header, rows))
