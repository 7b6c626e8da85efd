"""`kill`."""

from __future__ import annotations

import click

from compose.cli.context import Settings
from compose.cli.engine import carry_out, find, with_engine
from compose.plan.operations import Kind, Plan
from compose.plan.teardown import chosen
from engine.client import DockerClient


@click.command("kill")
@click.option("-s", "--signal", default="SIGKILL", help="SIGNAL to send to the container")
@click.argument("services", nargs=-1)
@click.pass_obj
def command(settings: Settings, /, services: tuple[str, ...], signal: str) -> None:
    """Force stop service containers."""

    async def run(client: DockerClient) -> None:
        _, observed = await find(client, settings, services)
        plan = Plan()
        for container in chosen(observed, services):
            if container.running:
                plan.add(Kind.KILL, container.name, key=container.id, container=container.id, signal=signal)
        await carry_out(client, settings, plan)

    with_engine(settings, run)
