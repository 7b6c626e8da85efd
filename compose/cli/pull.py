"""`pull`."""

from __future__ import annotations

from typing import Any

import click

from compose.cli.context import Settings
from compose.cli.engine import make_reporter, with_engine
from compose.errors import ComposeError
from compose.execute.executor import execute
from compose.execute.images import ImageActions
from compose.loader.load import Loading
from compose.plan.operations import Kind, Plan
from engine.client import DockerClient


@click.command("pull")
@click.option("-q", "--quiet", is_flag=True, help="Pull without printing progress information")
@click.option("--ignore-pull-failures", is_flag=True, help="Pull what it can and ignore images that fail")
@click.option("--ignore-buildable", is_flag=True, help="Ignore images that can be built")
@click.option("--include-deps", is_flag=True, help="Also pull services declared as dependencies")
@click.option("--policy", type=click.Choice(["missing", "always"]), default=None, help="Apply pull policy")
@click.argument("services", nargs=-1)
@click.pass_obj
def command(settings: Settings, /, services: tuple[str, ...], **given: Any) -> None:
    """Pull service images."""
    project = settings.load(Loading(named=services))
    names = project.require(services)
    if given["include_deps"]:
        from compose.loader.profiles import with_dependencies

        names = with_dependencies(project.services, names)
    plan = Plan()
    for name in names:
        body = project.services[name]
        # without a name of its own, a built image is nowhere to be pulled from
        if "image" in body and not (given["ignore_buildable"] and body.get("build")):
            plan.add(Kind.PULL_IMAGE, project.image_of(name), service=name, reason="asked for")
    if settings.dry_run:
        click.echo(plan.describe(), nl=False)
        return

    async def run(client: DockerClient) -> None:
        reporter = make_reporter(settings)
        await execute(plan, ImageActions(client, project, reporter).table(), reporter, settings.parallel)

    try:
        with_engine(settings, run)
    except ComposeError:
        if not given["ignore_pull_failures"]:
            raise
