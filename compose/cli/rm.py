"""`rm`."""

from __future__ import annotations

import click

from compose.cli.context import Settings
from compose.cli.engine import carry_out, find, with_engine
from compose.plan.operations import Kind, Plan
from compose.plan.teardown import chosen, in_reverse
from engine.client import DockerClient


@click.command("rm")
@click.option("-f", "--force", is_flag=True, help="Don't ask to confirm removal")
@click.option("-s", "--stop", "stop_first", is_flag=True, help="Stop the containers, if required")
@click.option("-v", "--volumes", is_flag=True, help="Remove any anonymous volumes attached to containers")
@click.argument("services", nargs=-1)
@click.pass_obj
def command(
    settings: Settings, /, services: tuple[str, ...], force: bool, stop_first: bool, volumes: bool
) -> None:
    """Removes stopped service containers."""

    async def run(client: DockerClient) -> None:
        _, observed = await find(client, settings, services)
        containers = [c for c in chosen(observed, services, oneoffs=True) if stop_first or not c.running]
        if not containers:
            click.echo("No stopped containers", err=True)
            return
        if not (force or settings.dry_run):
            names = ", ".join(c.name for c in containers)
            click.confirm(f"Going to remove {names}", abort=True, err=True)
        plan = Plan()
        in_reverse(plan, Kind.STOP, [c for c in containers if c.running])
        for container in containers:
            stop = f"{Kind.STOP.value} {container.id}"
            needs = [stop] if stop in plan else []
            plan.add(
                Kind.REMOVE,
                container.name,
                key=container.id,
                needs=needs,
                container=container.id,
                volumes=volumes,
            )
        await carry_out(client, settings, plan)

    with_engine(settings, run)
