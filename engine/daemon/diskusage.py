"""How much disk the engine's objects take: `docker system df`."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.daemon import containers
from engine.daemon.engine import Engine
from engine.image import inspect, listing
from engine.image.store import Image, ImageStore
from engine.layer.store import Layer

KINDS = frozenset(("container", "image", "volume", "build-cache"))


def tree_bytes(root: Path) -> int:
    """Bytes that the files below `root` take on disk, each hard link once; unreadable ones count nothing."""
    total, seen, pending = 0, set(), [str(root)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    elif status.st_nlink == 1 or (status.st_dev, status.st_ino) not in seen:
                        seen.add((status.st_dev, status.st_ino))
                        total += status.st_size
        except OSError:
            continue
    return total


async def disk_usage(engine: Engine, kinds: frozenset[str], *, complete: bool) -> dict[str, Any]:
    """The API's /system/df. complete: name the members of the kinds that were not asked for, too."""
    answer: dict[str, Any] = {}
    if complete:
        answer = {"LayersSize": 0, "Images": [], "Containers": [], "Volumes": [], "BuildCache": []}
    if "image" in kinds:
        answer |= await asyncio.to_thread(_images, engine)
    if "container" in kinds:
        answer["Containers"] = await containers.summaries(engine, all=True, size=True)
    if "volume" in kinds:
        answer["Volumes"] = await asyncio.to_thread(_volumes, engine)
    if "build-cache" in kinds:
        # Cached build steps are images, and are counted there.
        answer["BuildCache"] = []
    return answer


def _volumes(engine: Engine) -> list[dict[str, Any]]:
    usage = engine.volumes.usage()
    return [
        volume.to_api()
        | {"UsageData": {"RefCount": usage.get(volume.name, 0), "Size": tree_bytes(volume.mountpoint)}}
        for volume in engine.volumes.list()
    ]


def _images(engine: Engine) -> dict[str, Any]:
    store = engine.images
    used = Counter(container.image_id for container in engine.containers.list())
    images, shared = listing.select(store, {}), shared_sizes(store)
    found = [
        inspect.summary(store, image) | {"SharedSize": shared[image.id], "Containers": used[image.id]}
        for image in images
    ]
    layers = {layer.chain_id: layer.size for image in images for layer in chain(store, image)}
    return {"LayersSize": sum(layers.values()), "Images": found}


def shared_sizes(store: ImageStore) -> dict[str, int]:
    """Image id → bytes of its layers that other images have, too."""
    images = listing.select(store, {})
    holders = Counter(layer.chain_id for image in images for layer in chain(store, image))
    return {
        image.id: sum(layer.size for layer in chain(store, image) if holders[layer.chain_id] > 1)
        for image in images
    }


def chain(store: ImageStore, image: Image) -> Iterator[Layer]:
    """An image's layers, the topmost first."""
    current = image.chain_id
    while current:
        layer = store.layers.get(current)
        yield layer
        current = layer.parent
