"""Use case: remove all containers that do not run."""

from __future__ import annotations

import asyncio
from typing import Any

from engine.api.filters import Filters
from engine.container import select, timestamps
from engine.daemon.engine import Engine
from engine.daemon.remove import remove
from engine.errdefs import Conflict, NotFound


async def prune(engine: Engine, filters: Filters) -> dict[str, Any]:
    """The API's answer: what was removed, and how many bytes that gave back."""
    filters.validate(select.PRUNE_KEYS)
    now = timestamps.now()
    deleted: list[str] = []
    space = 0
    for one in engine.containers.list():
        if not select.prunable(filters, one, now):
            continue
        try:
            size = await asyncio.to_thread(engine.layers.size_rw, one.id)
            await remove(engine, one.id)
        except (NotFound, Conflict):
            continue  # removed or started meanwhile
        deleted.append(one.id)
        space += size
    attributes = {"reclaimed": str(space)}
    engine.events.publish("container", "prune", "", attributes)
    return {"ContainersDeleted": deleted or None, "SpaceReclaimed": space}
