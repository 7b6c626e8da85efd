"""`up` and `create`: look, get the images, look again, plan, execute."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from compose.errors import OperationFailed
from compose.execute import observe
from compose.execute.actions import ProjectActions
from compose.execute.events import ProjectEvents
from compose.execute.executor import execute
from compose.execute.images import BuildOptions, ImageActions
from compose.execute.progress import Reporter
from compose.execute.waiting import wait_until
from compose.model import Project
from compose.plan.converge import Wanted, converge, selected
from compose.plan.images import ImageOptions, ensure_images
from compose.plan.operations import Plan
from compose.plan.state import Container, Observed
from engine.client import DockerClient


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What `up` does, apart from how its output is shown."""

    wanted: Wanted = field(default_factory=Wanted)
    images: ImageOptions = field(default_factory=ImageOptions)
    separator: str = "-"
    parallel: int = 0
    ignore_orphans: bool = False
    quiet_build: bool = False


async def plan_up(client: DockerClient, project: Project, options: UpOptions) -> tuple[Plan, Plan, Observed]:
    """The plan for images, the plan for the rest, and what they are based on. Changes nothing."""
    observed = await observe.surroundings(client, project)
    wanted = replace(options.wanted, create_first=not observed.nodes)
    images = ensure_images(project, observed, selected(project, wanted), options.images)
    return images, converge(project, observed, wanted, separator=options.separator), observed


async def up(
    client: DockerClient, project: Project, options: UpOptions, events: ProjectEvents, reporter: Reporter
) -> None:
    """Bring the project to the state its files describe."""
    images, plan, observed = await plan_up(client, project, options)
    if len(images):
        actions = ImageActions(
            client, project, reporter, observed.nodes, BuildOptions(quiet=options.quiet_build)
        )
        await execute(images, actions.table(), reporter, options.parallel)
        # what is built or pulled now decides which containers are out of date
        observed = replace(observed, images=await observe.image_ids(client, project))
        wanted = replace(options.wanted, create_first=not observed.nodes)
        plan = converge(project, observed, wanted, separator=options.separator)
    for warning in (*plan.warnings, *(() if options.ignore_orphans else plan.orphans)):
        reporter.line(f"WARN {warning}")
    await execute(plan, ProjectActions(client, project, observed, events).table(), reporter, options.parallel)


async def wait_ready(
    client: DockerClient, containers: Iterable[Container], events: ProjectEvents, timeout: float | None
) -> None:
    """`--wait`: until every container is healthy, or running without a health check, or has ended with
    exit code 0. Raises OperationFailed otherwise, and after `timeout` seconds."""
    try:
        async with asyncio.timeout(timeout), asyncio.TaskGroup() as group:
            for container in containers:
                group.create_task(wait_until(client, events, container.id, "ready"))
    except TimeoutError as exc:
        raise OperationFailed(f"the application is not healthy after {timeout:g}s") from exc
    except ExceptionGroup as failures:
        error = failures.exceptions[0]
        raise error from None
