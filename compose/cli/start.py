"""`start`."""

from __future__ import annotations

import click

from compose.cli.context import Settings
from compose.cli.engine import carry_out, find, with_engine
from compose.errors import ComposeError
from compose.plan.operations import Kind, Plan
from compose.plan.teardown import chosen, in_order
from engine.client import DockerClient


@click.command("start")
@click.argument("services", nargs=-1)
@click.pass_obj
def command(settings: Settings, /, services: tuple[str, ...]) -> None:
    """Start existing containers."""

    async def run(client: DockerClient) -> None:
        _, observed = await find(client, settings, services)
        containers = chosen(observed, services)
        have = {c.service for c in containers}
        for service in services:
            if service not in have:
                raise ComposeError(f'service "{service}" has no container to start')
        plan = Plan()
        in_order(plan, Kind.START, [c for c in containers if not c.running])
        await carry_out(client, settings, plan)

    with_engine(settings, run)
