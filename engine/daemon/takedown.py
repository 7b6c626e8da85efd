"""Taking away what a container's run has made of processes, network and mounts."""

from __future__ import annotations

import asyncio
import logging

from engine.container.model import Container
from engine.daemon import sandbox
from engine.daemon.engine import Engine
from engine.daemon.rootfs import release
from engine.errdefs import DockyardError

log = logging.getLogger(__name__)


async def take_down(engine: Engine, container: Container) -> None:
    """Remove process, network and mounts of a container, whatever there is of them. Never raises."""
    results: list[object] = list(
        await asyncio.gather(
            engine.execution.delete(container.id),
            engine.networks.detach(container.id),
            return_exceptions=True,
        )
    )
    try:
        await asyncio.to_thread(release, engine, container)
    except (DockyardError, OSError) as exc:
        results.append(exc)
    for result in results:
        if isinstance(result, BaseException):
            log.warning("cleaning up after container %s: %s", container.id[:12], result)
    sandbox.hide(container)
