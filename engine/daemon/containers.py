"""Use cases: list and inspect containers, rename them, change their limits."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from engine.api.filters import NONE, Filters
from engine.container import inspect as view
from engine.container import select, status, timestamps, validate
from engine.container.devices import with_block_numbers
from engine.container.live import describe
from engine.container.model import Container, Status
from engine.container.names import validate as validate_name
from engine.container.resources import limits
from engine.container.wire import UpdateRequest, as_dict
from engine.daemon.engine import Engine
from engine.daemon.start import log_driver
from engine.errdefs import Conflict, DockyardError, InvalidParameter, NotFound
from engine.layer.store import LayerStore


def chosen(engine: Engine, filters: Filters, *, all: bool = False, limit: int = 0) -> list[Container]:
    """Containers the filters let through, the newest first.

    Without `all`, a `limit` or a filter that asks for stopped ones, only those that run.
    """
    select.check(filters)
    containers = engine.containers.list()
    if not (all or limit > 0 or select.shows_stopped(filters)):
        containers = [one for one in containers if one.active]
    if filters:
        containers = select.selected(filters, containers, _context(engine, filters))
    return containers[:limit] if limit > 0 else containers


def _context(engine: Engine, filters: Filters) -> select.Context:
    before = [engine.containers.get(name).created for name in filters.get("before")]
    since = [engine.containers.get(name).created for name in filters.get("since")]
    ancestors = _descendants(engine, filters.get("ancestor")) if "ancestor" in filters else None
    return select.Context(ancestors, min(before, default=None), max(since, default=None))


def _descendants(engine: Engine, references: tuple[str, ...]) -> frozenset[str]:
    """Ids of the images named and of all built on them."""
    found: set[str] = set()
    for reference in references:
        try:
            found.add(engine.images.resolve(reference).id)
        except NotFound:
            continue
    children: dict[str, list[str]] = {}
    for image in engine.images.list():
        children.setdefault(image.parent, []).append(image.id)
    pending = list(found)
    while pending:
        for child in children.get(pending.pop(), ()):
            if child not in found:
                found.add(child)
                pending.append(child)
    return frozenset(found)


async def summaries(
    engine: Engine, filters: Filters = NONE, *, all: bool = False, limit: int = 0, size: bool = False
) -> list[dict[str, Any]]:
    """`/containers/json` as a list of plain dicts."""
    body = await listing(engine, filters, all=all, limit=limit, size=size)
    found: list[dict[str, Any]] = msgspec.json.decode(body)
    return found


async def listing(
    engine: Engine, filters: Filters = NONE, *, all: bool = False, limit: int = 0, size: bool = False
) -> bytes:
    """`/containers/json` as its body. What does not change with the hour is kept encoded."""
    containers = chosen(engine, filters, all=all, limit=limit)
    sizes = await asyncio.to_thread(_sizes, engine.layers, containers) if size else {}
    now = timestamps.now()
    named = {name: _image_id(engine, name) for name in {one.image for one in containers}}
    parts = []
    for one in containers:
        live = engine.containers.live(one.id)
        image = one.image if named[one.image] == one.image_id else one.image_id
        if size:
            head = view.summary_head(one, image, sizes.get(one.id, (0, 0)))
        elif live.summary is not None and live.summary[0] == image:
            head = live.summary[1]
        else:
            head = view.summary_head(one, image)
            live.summary = (image, head)
        parts.append(head + status.describe(one, now).encode() + b'"}')
    return b"[" + b",".join(parts) + b"]\n"


def _image_id(engine: Engine, reference: str) -> str:
    """What an image's name means now; a container whose image it no longer is shows the id instead."""
    try:
        return engine.images.resolve(reference).id
    except DockyardError:
        return ""


def _sizes(layers: LayerStore, containers: list[Container]) -> dict[str, tuple[int, int]]:
    found = {}
    for one in containers:
        try:
            found[one.id] = (layers.size_rw(one.id), layers.size_rootfs(one.id))
        except (DockyardError, OSError):
            continue  # removed meanwhile
    return found


async def inspect(engine: Engine, reference: str, *, size: bool = False) -> dict[str, Any]:
    """`/containers/{id}/json`."""
    container = engine.containers.get(reference)
    sizes = None
    if size:
        sizes = (await asyncio.to_thread(_sizes, engine.layers, [container])).get(container.id)
    directory = engine.containers.directory(container.id)
    try:
        graph_data = engine.layers.metadata_rw(container.id)
    except NotFound:
        graph_data = {}  # being made or removed
    live = engine.containers.live(container.id)
    return view.inspect(
        container,
        view.Surroundings(
            directory=directory,
            log_path=log_driver(container).path(directory, container.id),
            graph_name=engine.graph.name,
            graph_data=graph_data,
            exec_ids=[one.id for one in live.execs.values() if one.exit_code is None],
            sizes=sizes,
        ),
    )


async def rename(engine: Engine, reference: str, name: str) -> None:
    """Give it another name."""
    container = engine.containers.get(reference)
    if not name:
        raise InvalidParameter("Neither old nor new names may be empty")
    try:
        new = validate_name("/" + name.removeprefix("/"))
    except InvalidParameter as exc:
        raise InvalidParameter(f"error when allocating new name: {exc}") from exc
    if new == container.name:
        raise InvalidParameter("Renaming a container with the same name as its current name")
    old = container.name
    try:
        engine.containers.rename(container, new)
    except Conflict as exc:
        raise Conflict(f"error when allocating new name: {exc}") from exc
    await engine.networks.rename(container.id, new)
    engine.events.publish("container", "rename", container.id, describe(container) | {"oldName": f"/{old}"})


def _check_swap(container: Container, changes: dict[str, Any]) -> None:
    """A memory limit above the swap limit there is needs a new one for both, as with docker."""
    if "MemorySwap" not in changes and changes.get("Memory", 0) > container.host_config["MemorySwap"]:
        raise InvalidParameter(
            f"Cannot update container {container.id}: Memory limit should be smaller than already set "
            "memoryswap limit, update the memoryswap at the same time"
        )


async def update(engine: Engine, reference: str, request: UpdateRequest) -> list[str]:
    """Change limits and restart policy, of a running container at once. Returns warnings.

    Zero values leave things as they are.
    """
    container = engine.containers.get(reference)
    if container.state.status in (Status.DEAD, Status.REMOVING):
        raise Conflict('Container is marked for removal and cannot be "update".')
    asked = as_dict(request)
    policy = asked.pop("RestartPolicy")
    changes = {key: value for key, value in asked.items() if value}
    if policy.get("Name"):
        changes["RestartPolicy"] = policy
    async with engine.containers.live(container.id).lock:
        merged = {**container.host_config, **changes}
        if "NanoCpus" in changes:
            merged["CpuPeriod"] = changes.get("CpuPeriod", 0)
            merged["CpuQuota"] = changes.get("CpuQuota", 0)
        removes = container.host_config.get("AutoRemove")
        if removes and policy.get("Name") not in (None, "", "no"):
            raise InvalidParameter(
                f"Cannot update container {container.id}: Restart policy cannot be updated because "
                "AutoRemove is enabled for the container"
            )
        validate.update(merged)
        _check_swap(container, changes)
        if container.running and set(changes) - {"RestartPolicy"}:
            await engine.execution.update(container.id, limits(with_block_numbers(merged)))
        container.host_config = merged
        engine.containers.save(container)
    engine.events.publish("container", "update", container.id, describe(container))
    return []
