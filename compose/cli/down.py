"""`down`: remove what `up` made."""

from __future__ import annotations

import click

from compose.cli.context import Settings
from compose.cli.engine import carry_out, check_services, project_name, with_engine
from compose.errors import ComposeError
from compose.execute import observe
from compose.plan.teardown import Down, down
from engine.client import DockerClient


@click.command("down")
@click.option("-v", "--volumes", is_flag=True, help='Remove named volumes declared in the "volumes" section')
@click.option("--rmi", "images", type=click.Choice(["local", "all"]), default=None, help="Remove images")
@click.option("--remove-orphans", is_flag=True, help="Remove containers for services not defined")
@click.option("-t", "--timeout", type=int, default=None, help="Specify a shutdown timeout in seconds")
@click.argument("services", nargs=-1)
@click.pass_obj
def command(
    settings: Settings,
    /,
    services: tuple[str, ...],
    volumes: bool,
    images: str | None,
    remove_orphans: bool,
    timeout: int | None,
) -> None:
    """Stop and remove containers, networks."""
    name = project_name(settings)
    wanted = Down(services, volumes, images or "", remove_orphans, timeout)
    known = None if remove_orphans else _defined(settings)

    async def run(client: DockerClient) -> None:
        observed = await observe.everything(client, name)
        check_services(settings, observed, services)
        plan = down(observed, wanted, known)
        if not len(plan):
            click.echo(f"WARN No resource found to remove for project {name}.", err=True)
        await carry_out(client, settings, plan)

    with_engine(settings, run)


def _defined(settings: Settings) -> list[str] | None:
    """The services of the files, or None if there are no files (`down -p NAME` elsewhere)."""
    from compose.loader.load import Loading, load_project

    try:
        loading = Loading(consistency=False, resolve_environment=False, all_profiles=True)
        return list(load_project(settings.options, loading).services)
    except ComposeError:
        if settings.options.project_name:
            return None
        raise
