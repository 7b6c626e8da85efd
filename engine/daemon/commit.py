"""`docker commit`: an image of what a container is now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from engine.build.changes import apply_changes
from engine.container.image_defaults import merge
from engine.container.live import describe
from engine.container.model import Container, Phase, Status
from engine.daemon.engine import Engine
from engine.daemon.images import tell
from engine.daemon.stop import pause, unpause
from engine.errdefs import Conflict, DockyardError
from engine.image import make
from engine.image.store import Image

# What an image's config has of a container's.
_KEPT = (
    "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal",
    "StopTimeout", "Healthcheck", "Shell", "OnBuild", "ArgsEscaped",
)  # fmt: skip


async def commit(
    engine: Engine,
    reference: str,
    config: dict[str, Any],
    *,
    repo: str = "",
    tag: str = "",
    author: str = "",
    comment: str = "",
    changes: Sequence[str] = (),
    freeze: bool = True,
) -> Image:
    """Make the image; config: settings that go before the container's. freeze: pause it meanwhile."""
    container = engine.containers.get(reference)
    if container.state.status == Status.DEAD or container.phase == Phase.REMOVING:
        raise Conflict(f"you cannot commit container {container.id} which is being removed")
    name = make.named(repo, tag)
    section = merged(apply_changes(config, changes), container.config)
    base = engine.images.get(container.image_id) if engine.images.has(container.image_id) else None
    async with _frozen(engine, container, freeze):
        image = await asyncio.to_thread(
            make.commit,
            engine.images,
            container.id,
            base,
            section,
            author=author,
            comment=comment,
            created_by=" ".join([container.path, *container.args]),
        )
    if name is not None:
        await asyncio.to_thread(engine.images.tag, image.id, name)
        tell(engine, "tag", image.id, name.familiar)
    attributes = {**describe(container), "comment": comment, "imageID": image.id}
    if name is not None:
        attributes["imageRef"] = name.familiar
    engine.events.publish("container", "commit", container.id, attributes)
    return image


def merged(asked: dict[str, Any], container: dict[str, Any]) -> dict[str, Any]:
    """The image's config section: what was asked for, the container's where nothing was."""
    config = merge(asked, container)
    return {key: config[key] for key in _KEPT if config.get(key)}


@asynccontextmanager
async def _frozen(engine: Engine, container: Container, wanted: bool) -> AsyncIterator[None]:
    """Nothing in the container writes in the meantime, if that is wanted and possible."""
    paused = False
    if wanted and container.running and not container.paused:
        try:
            await pause(engine, container.id)
            paused = True
        except Conflict:  # it ended, or somebody else paused it
            pass
    try:
        yield
    finally:
        if paused:
            try:
                await unpause(engine, container.id)
            except DockyardError:  # it is gone, or somebody else let it go on
                pass
