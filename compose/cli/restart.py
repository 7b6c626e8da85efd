"""`restart`."""

from __future__ import annotations

import click

from compose.cli.context import Settings
from compose.cli.engine import carry_out, find, with_engine
from compose.plan.operations import Kind, Plan
from compose.plan.teardown import chosen, in_order
from engine.client import DockerClient


@click.command("restart")
@click.option("-t", "--timeout", type=int, default=None, help="Specify a shutdown timeout in seconds")
@click.option("--no-deps", is_flag=True, help="Don't restart dependent services")
@click.argument("services", nargs=-1)
@click.pass_obj
def command(settings: Settings, /, services: tuple[str, ...], timeout: int | None, no_deps: bool) -> None:
    """Restart service containers."""

    async def run(client: DockerClient) -> None:
        _, observed = await find(client, settings, services)
        plan = Plan()
        in_order(plan, Kind.RESTART, chosen(observed, services), timeout=timeout)
        await carry_out(client, settings, plan)

    with_engine(settings, run)
