"""pyswarm list."""

from __future__ import annotations

import asyncio

import click

from engine.errdefs import DeadlineExceeded
from swarm.cli.options import DURATION, discovery_argument, discovery_options, pairs
from swarm.discovery import parse


@click.command()
@discovery_argument
@click.option("--timeout", type=DURATION, default="10s", show_default=True, help="How long to wait for it.")
@discovery_options
def command(discovery: str, timeout: float, discovery_opt: tuple[str, ...]) -> None:
    """List the nodes that DISCOVERY knows, one a line."""
    source = parse(discovery, pairs(discovery_opt, "--discovery-opt"))

    async def fetch() -> list[str]:
        try:
            async with asyncio.timeout(timeout):
                return await source.fetch()
        except TimeoutError as exc:
            raise DeadlineExceeded(f"{discovery} did not answer within {timeout:g} s") from exc

    for address in asyncio.run(fetch()):
        click.echo(address)
