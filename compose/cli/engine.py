"""What verbs that talk to the engine share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import click

from compose.cli.context import Settings
from compose.errors import ExitWith, NoSuchService
from compose.execute import observe
from compose.execute.actions import ContainerActions
from compose.execute.executor import execute
from compose.execute.progress import Reporter, reporter
from compose.loader.light import light_project_name
from compose.plan.operations import Plan
from compose.plan.state import Container, Observed
from engine.client import DockerClient

T = TypeVar("T")


def with_engine(settings: Settings, use: Callable[[DockerClient], Awaitable[T]]) -> T:
    """Run `use` with a client of the engine that the options and the environment name."""

    async def run() -> T:
        async with DockerClient.from_env(settings.host) as client:
            return await use(client)

    return asyncio.run(run())


def make_reporter(settings: Settings) -> Reporter:
    """For `--progress` and `--ansi`."""
    return reporter(settings.progress, colors=settings.ansi != "never")


def project_name(settings: Settings) -> str:
    """The project's name, without loading the project."""
    return light_project_name(settings.options)


async def find(
    client: DockerClient, settings: Settings, services: Iterable[str], *, project: str = ""
) -> tuple[str, Observed]:
    """The project's name and its containers. Raises NoSuchService for a service that has no
    containers and that the files don't define either."""
    name = project or project_name(settings)
    observed = await observe.containers(client, name)
    check_services(settings, observed, services)
    return name, observed


def check_services(settings: Settings, observed: Observed, services: Iterable[str]) -> None:
    """Files are only loaded to tell a service without containers from one that doesn't exist."""
    have = {container.service for container in observed.containers}
    missing = [service for service in services if service not in have]
    if not missing:
        return
    project = settings.load()
    for service in missing:
        if service not in project.services and service not in project.disabled:
            raise NoSuchService(service)


def instance(containers: Iterable[Container], service: str, index: int | None) -> Container:
    """The running container of a service, the one with number `index` if that is given."""
    found = [c for c in containers if c.service == service and not c.oneoff and c.running]
    if index is not None:
        found = [c for c in found if c.number == index]
    if not found:
        which = f" container #{index}" if index is not None else ""
        click.echo(f'service "{service}"{which} is not running', err=True)
        raise ExitWith(1)
    return min(found, key=lambda c: c.number)


async def carry_out(client: DockerClient, settings: Settings, plan: Plan) -> None:
    """Execute a plan over existing containers, or print it (`--dry-run`)."""
    for warning in (*plan.warnings, *plan.orphans):
        click.echo(f"WARN {warning}", err=True)
    if settings.dry_run:
        click.echo(plan.describe(), nl=False)
        return
    await execute(plan, ContainerActions(client).table(), make_reporter(settings), settings.parallel)
