"""`logs`."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from compose.cli.context import Settings
from compose.cli.engine import find, with_engine
from compose.execute.attached import signals
from compose.execute.logs import LogOptions, print_logs
from compose.plan.teardown import chosen
from engine.client import DockerClient


@click.command("logs")
@click.option("-f", "--follow", is_flag=True, help="Follow log output")
@click.option("-n", "--tail", default="all", help="Number of lines to show from the end of the logs")
@click.option("-t", "--timestamps", is_flag=True, help="Show timestamps")
@click.option("--since", default="", help="Show logs since timestamp or relative (42m)")
@click.option("--until", default="", help="Show logs before a timestamp or relative (42m)")
@click.option("--no-color", is_flag=True, help="Produce monochrome output")
@click.option("--no-log-prefix", is_flag=True, help="Don't print prefix in logs")
@click.option("--index", type=int, default=None, help="Index of the container if service has several")
@click.argument("services", nargs=-1)
@click.pass_obj
def command(settings: Settings, /, services: tuple[str, ...], **given: Any) -> None:
    """View output from containers."""
    options = LogOptions(
        follow=given["follow"],
        tail=given["tail"],
        timestamps=given["timestamps"],
        since=moment(given["since"]),
        until=moment(given["until"]),
        prefix=not given["no_log_prefix"],
        colors=settings.colors() and not given["no_color"],
    )

    async def run(client: DockerClient) -> None:
        name, observed = await find(client, settings, services)
        containers = chosen(observed, services)
        if given["index"] is not None:
            containers = [c for c in containers if c.number == given["index"]]
        printing = asyncio.create_task(print_logs(client, name, containers, options))

        def interrupt(_number: int) -> None:
            printing.cancel()

        async with signals(interrupt):
            try:
                await printing
            except asyncio.CancelledError:
                if not printing.cancelled():
                    raise

    with_engine(settings, run)


def moment(text: str) -> str:
    """A point in time as the API takes it: a relative one (``42m``) becomes seconds since the epoch."""
    if not text or (text[0].isdigit() and text[-1].isdigit()) or "T" in text or "-" in text:
        return text
    import time

    from compose.loader.units import parse_duration

    try:
        return f"{time.time() - parse_duration(text) / 1e9:.9f}"
    except ValueError as exc:
        raise click.BadParameter(str(exc), param_hint="--since/--until") from exc
