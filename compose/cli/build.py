"""`build`."""

from __future__ import annotations

from typing import Any

import click

from compose.cli.context import Settings
from compose.cli.engine import make_reporter, with_engine
from compose.execute import observe
from compose.execute.executor import execute
from compose.execute.images import BuildOptions, ImageActions
from compose.loader.load import Loading
from compose.loader.units import parse_size
from compose.model import Project
from compose.plan.operations import Kind, Plan
from engine.client import DockerClient


@click.command("build")
@click.option("--build-arg", "arguments", multiple=True, metavar="KEY=VAL", help="Set build-time variables")
@click.option("--no-cache", is_flag=True, help="Do not use cache when building the image")
@click.option("--pull", is_flag=True, help="Always attempt to pull a newer version of the image")
@click.option("-m", "--memory", default="0", help="Set memory limit for the build container")
@click.option("-q", "--quiet", is_flag=True, help="Suppress the build output")
@click.option("--with-dependencies", is_flag=True, help="Also build dependencies")
@click.argument("services", nargs=-1)
@click.pass_obj
def command(settings: Settings, /, services: tuple[str, ...], **given: Any) -> None:
    """Build or rebuild services."""
    project = settings.load(Loading(named=services))
    names = project.require(services)
    if given["with_dependencies"]:
        from compose.loader.profiles import with_dependencies

        names = with_dependencies(project.services, names)
    plan = build_plan(project, names)
    if settings.dry_run:
        click.echo(plan.describe(), nl=False)
        return
    pairs = (item.partition("=") for item in given["arguments"])
    options = BuildOptions(
        no_cache=given["no_cache"],
        pull=given["pull"],
        args={key: value if equals else settings.options.environ.get(key) for key, equals, value in pairs},
        quiet=given["quiet"],
        memory=parse_size(given["memory"]),
    )

    async def run(client: DockerClient) -> None:
        reporter = make_reporter(settings)
        nodes = await observe.cluster_nodes(client)
        actions = ImageActions(client, project, reporter, nodes, options)
        await execute(plan, actions.table(), reporter, settings.parallel)

    with_engine(settings, run)


def build_plan(project: Project, services: list[str]) -> Plan:
    """One build for each image that the services say how to build."""
    plan = Plan()
    for service in services:
        if project.services[service].get("build"):
            plan.add(Kind.BUILD_IMAGE, project.image_of(service), service=service, reason="asked for")
    return plan
