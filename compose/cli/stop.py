"""`stop`."""

from __future__ import annotations

import click

from compose.cli.context import Settings
from compose.cli.engine import carry_out, find, with_engine
from compose.plan.operations import Kind, Plan
from compose.plan.teardown import chosen, in_reverse
from engine.client import DockerClient


@click.command("stop")
@click.option("-t", "--timeout", type=int, default=None, help="Specify a shutdown timeout in seconds")
@click.argument("services", nargs=-1)
@click.pass_obj
def command(settings: Settings, /, services: tuple[str, ...], timeout: int | None) -> None:
    """Stop running containers without removing them."""

    async def run(client: DockerClient) -> None:
        _, observed = await find(client, settings, services)
        plan = Plan()
        running = [c for c in chosen(observed, services) if c.running]
        in_reverse(plan, Kind.STOP, running, timeout=timeout)
        await carry_out(client, settings, plan)

    with_engine(settings, run)
