"""Choosing, measuring and pruning volumes."""

from __future__ import annotations

from engine.api.filters import Filters
from engine.daemon.diskusage import tree_bytes
from engine.daemon.engine import Engine
from engine.errdefs import Conflict
from engine.volume.records import Volume

LIST_FILTERS = ("dangling", "driver", "label", "name")
PRUNE_FILTERS = ("label", "label!", "all")


def select(engine: Engine, filters: Filters) -> list[Volume]:
    """Volumes that match; `dangling` are those that no container holds."""
    filters.validate(LIST_FILTERS)
    usage = engine.volumes.usage() if "dangling" in filters else {}
    dangling = filters.boolean("dangling")
    return [
        volume
        for volume in engine.volumes.list()
        if filters.match("name", volume.name)
        and filters.exact("driver", volume.driver)
        and filters.labels(volume.labels)
        and ("dangling" not in filters or (volume.name not in usage) == dangling)
    ]


def prune(engine: Engine, filters: Filters, *, named_too: bool = False) -> tuple[list[str], int]:
    """Remove unused volumes: the anonymous ones, and all with ``all=true``. Returns names and bytes freed."""
    filters.validate(PRUNE_FILTERS)
    everything = filters.boolean("all", named_too)
    usage = engine.volumes.usage()
    names, freed = [], 0
    for volume in engine.volumes.list():
        if volume.name in usage or not (everything or volume.anonymous):
            continue
        if not (filters.labels(volume.labels) and filters.labels(volume.labels, "label!")):
            continue
        size = tree_bytes(volume.mountpoint)
        try:
            engine.volumes.remove(volume.name, force=True)
        except Conflict:  # a container took it meanwhile
            continue
        names.append(volume.name)
        freed += size
    engine.events.publish("volume", "prune", "", {"reclaimed": str(freed)})
    return names, freed
