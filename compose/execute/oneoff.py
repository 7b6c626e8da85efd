"""One-off containers: `run`."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from compose import labels
from compose.convert.container import CreateRequest, create_request
from compose.execute import observe
from compose.execute.actions import ProjectActions, container_path, create_container
from compose.execute.attached import signals
from compose.execute.events import ProjectEvents
from compose.execute.executor import execute
from compose.execute.files import copied_files
from compose.execute.images import ImageActions
from compose.execute.interactive import converse
from compose.execute.progress import Reporter
from compose.execute.up import UpOptions, up
from compose.model import Body, Project
from compose.plan.images import ImageOptions, ensure_images
from engine.client import DockerClient
from engine.errdefs import Conflict, NotFound


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Of `run`. overrides: attributes of the service, in canonical form, that differ this time."""

    service: str
    overrides: Body = field(default_factory=dict)
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    detach: bool = False
    terminal: bool = False
    interactive: bool = True
    remove: bool = False
    dependencies: bool = True
    use_aliases: bool = False
    images: ImageOptions = field(default_factory=ImageOptions)


async def run_oneoff(
    client: DockerClient, project: Project, options: RunOptions, up_options: UpOptions, reporter: Reporter
) -> int:
    """Bring up what the service depends on, then run it once; the exit code of its process."""
    async with ProjectEvents(client, project.name) as events:
        needed = list(project.services[options.service].get("depends_on") or ())
        if needed and options.dependencies:
            wanted = replace(up_options.wanted, services=tuple(needed))
            await up(client, project, replace(up_options, wanted=wanted), events, reporter)
        identity = await _create(client, project, options, up_options, events, reporter)
    if options.detach:
        await client.json("POST", container_path(identity, "start"))
        print(identity)
        return 0
    try:
        return await _attached(client, identity, options)
    finally:
        if options.remove:
            await asyncio.shield(_remove(client, identity))


async def _create(
    client: DockerClient,
    project: Project,
    options: RunOptions,
    up_options: UpOptions,
    events: ProjectEvents,
    reporter: Reporter,
) -> str:
    service = options.service
    observed = await observe.surroundings(client, project)
    images = ensure_images(project, observed, [service], options.images)
    if len(images):
        builder = ImageActions(client, project, reporter, observed.nodes)
        await execute(images, builder.table(), reporter, up_options.parallel)
        observed = replace(observed, images=await observe.image_ids(client, project))
    actions = ProjectActions(client, project, observed, events)
    await _networks(actions, project, service, up_options, reporter)
    slug = secrets.token_hex(6)
    name = options.name or up_options.separator.join((project.name, service, "run", slug))
    overrides = {"tty": options.terminal, "stdin_open": options.interactive, **options.overrides}
    request = create_request(project, service, 1, actions.around(service, {}), overrides=overrides)
    archive = copied_files(project, project.services[service], local=actions.local)
    return await create_container(client, as_oneoff(request, options, slug), name, archive)


async def _networks(
    actions: ProjectActions, project: Project, service: str, up_options: UpOptions, reporter: Reporter
) -> None:
    """The networks and volumes of the service itself; those of its dependencies are made with them."""
    from compose.plan.converge import converge
    from compose.plan.operations import Kind, Plan

    wanted = replace(up_options.wanted, services=(service,), dependencies=False, start=False)
    plan = Plan()
    for operation in converge(project, actions.observed, wanted):
        if operation.kind in (Kind.CREATE_NETWORK, Kind.CREATE_VOLUME):
            plan.operations[operation.id] = operation
    await execute(plan, actions.table(), reporter)


def as_oneoff(request: CreateRequest, options: RunOptions, slug: str) -> CreateRequest:
    """A service's container, changed into one that the service doesn't count as its own."""
    stdin = {"AttachStdin": options.interactive, "StdinOnce": options.interactive}
    body: dict[str, Any] = {**request.body, **stdin}
    body["Labels"] = {
        **body["Labels"],
        **options.labels,
        labels.ONEOFF: "True",
        labels.SLUG: slug,
    }
    body["HostConfig"] = {**body["HostConfig"], "RestartPolicy": {"Name": "no"}}
    connect = request.connect
    if not options.use_aliases:
        endpoints = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
        body["NetworkingConfig"] = {
            "EndpointsConfig": {name: {**settings, "Aliases": []} for name, settings in endpoints.items()}
        }
        connect = {name: {**settings, "Aliases": []} for name, settings in connect.items()}
    return CreateRequest(body, connect)


async def _attached(client: DockerClient, identity: str, options: RunOptions) -> int:
    """Attach before the start, so that nothing it prints is missed."""
    streams = {"stream": True, "stdout": True, "stderr": True, "stdin": options.interactive}
    stream = await client.hijack("POST", container_path(identity, "attach"), params=streams)

    async def resize(height: int, width: int) -> None:
        await client.json("POST", container_path(identity, "resize"), params={"h": height, "w": width})

    tasks: set[asyncio.Task[None]] = set()

    def forward(number: int) -> None:
        name = signal.Signals(number).name
        task = asyncio.create_task(_signal(client, identity, name))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    try:
        await client.json("POST", container_path(identity, "start"))
        async with signals(forward):
            terminal = options.terminal and sys.stdin.isatty()
            await converse(stream, terminal=terminal, stdin=options.interactive, resize=resize)
        return int((await client.json("POST", container_path(identity, "wait")))["StatusCode"])
    finally:
        await asyncio.gather(*tasks, return_exceptions=True)
        await stream.close()


async def _signal(client: DockerClient, identity: str, name: str) -> None:
    with contextlib.suppress(Conflict, NotFound):
        await client.json("POST", container_path(identity, "kill"), params={"signal": name})


async def _remove(client: DockerClient, identity: str) -> None:
    with contextlib.suppress(NotFound):
        await client.json("DELETE", container_path(identity), params={"force": True, "v": True})
