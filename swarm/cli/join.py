"""pyswarm join."""

from __future__ import annotations

import asyncio
import logging
import random

import click

from engine.errdefs import InvalidParameter
from swarm.cli.options import DURATION, discovery_argument, discovery_options, pairs
from swarm.discovery import StoreDiscovery, checked, parse

log = logging.getLogger(__name__)


@click.command()
@discovery_argument
@click.option(
    "--advertise",
    "--addr",
    required=True,
    envvar="SWARM_ADVERTISE",
    metavar="HOST:PORT",
    help="Where managers reach this host's engine.",
)
@click.option(
    "--heartbeat", type=DURATION, default="60s", show_default=True, help="Time between two signs of life."
)
@click.option(
    "--ttl", type=DURATION, default="180s", show_default=True, help="How long a sign of life counts."
)
@click.option(
    "--delay", type=DURATION, default="0s", show_default=True, help="Wait a random time up to this first."
)
@discovery_options
def command(
    discovery: str, advertise: str, heartbeat: float, ttl: float, delay: float, discovery_opt: tuple[str, ...]
) -> None:
    """Tell DISCOVERY of this host's engine, for as long as this runs."""
    if heartbeat < 1:
        raise InvalidParameter("--heartbeat should be at least one second")
    if ttl <= heartbeat:
        raise InvalidParameter("--ttl must be strictly superior to the heartbeat value")
    source = parse(discovery, pairs(discovery_opt, "--discovery-opt"))
    if not isinstance(source, StoreDiscovery):
        raise InvalidParameter(f"{discovery} can't be joined: nodes and file are kept by hand")
    checked(advertise)

    async def run() -> None:
        if delay:
            await asyncio.sleep(random.uniform(0, delay))
        log.info("registering %s every %gs", advertise, heartbeat)
        await source.register(advertise, ttl=ttl, heartbeat=heartbeat)

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        pass
