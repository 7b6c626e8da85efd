"""Use case: remove a container."""

from __future__ import annotations

import asyncio
import logging
import signal

from engine.container.live import Live, describe
from engine.container.model import Container, Phase, Status
from engine.daemon.create import remove_directory
from engine.daemon.engine import Engine
from engine.daemon.takedown import take_down
from engine.errdefs import (
    Conflict,
    DeadlineExceeded,
    DockyardError,
    InvalidParameter,
    NotFound,
    SystemFailure,
)

log = logging.getLogger(__name__)

KILL_PATIENCE = 10.0


async def remove(
    engine: Engine, reference: str, *, force: bool = False, volumes: bool = False, link: bool = False
) -> None:
    """Remove it; with `force` kill it before, with `volumes` its anonymous volumes go as well.

    Conflict while it runs, or while a removal is under way.
    """
    container = engine.containers.get(reference)
    if link:
        raise InvalidParameter(f"can't remove link {reference}: this engine keeps links with their container")
    live = engine.containers.live(container.id)
    if container.state.status == Status.REMOVING:
        raise Conflict(f"removal of container {reference} is already in progress")
    while True:
        if container.active:
            if not force:
                raise _still_active(container)
            await _kill(engine, container, live)
        async with live.lock:
            if engine.containers.find(container.id) is None:
                return  # --rm was faster
            if not container.active:
                await destroy(engine, container, live, volumes=volumes)
                return
        # somebody, or its restart policy, has started it while we waited for the lock


def _still_active(container: Container) -> Conflict:
    how = "and must be unpaused first" if container.paused else ""
    how = how or ": stop the container before removing or force remove"
    name = f'"/{container.name}"'
    state = container.state.status
    text = f"cannot remove container {name}: container is {state}"
    return Conflict(f"{text} {how}" if container.paused else f"{text}{how}")


async def _kill(engine: Engine, container: Container, live: Live) -> None:
    """End it at once and wait until that is seen to."""
    live.no_restart = True
    async with live.lock:
        if live.restart is not None:
            live.restart.cancel()
            live.restart = None
        if container.state.status == Status.RESTARTING:
            container.state.status = Status.EXITED
        if not container.running:
            return
        gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        live.exited.append(gone)
    try:
        await engine.execution.kill(container.id, signal.SIGKILL)
        if container.paused:
            await engine.execution.resume(container.id)
        engine.events.publish(
            "container", "kill", container.id, describe(container) | {"signal": str(int(signal.SIGKILL))}
        )
    except NotFound:
        pass  # it has just ended by itself
    try:
        await asyncio.wait_for(gone, KILL_PATIENCE)
    except TimeoutError as exc:
        raise DeadlineExceeded(
            f'cannot remove container "/{container.name}": could not kill: its process is still there '
            f"{KILL_PATIENCE:.0f} seconds after SIGKILL"
        ) from exc


async def destroy(engine: Engine, container: Container, live: Live, *, volumes: bool) -> None:
    """Remove a container that does not run; the caller holds its lock.

    The record stays, in state dead, if something of the container can't be removed: removing it again
    goes on from there. Raises SystemFailure then.
    """
    container.state.status, container.phase = Status.REMOVING, Phase.REMOVING
    container.removing_volumes = volumes
    engine.containers.try_save(container)  # on a full disk: what is removed now makes room
    try:
        await asyncio.to_thread(_erase, engine, container, volumes)
        code = container.state.exit_code
        engine.containers.remove(container.id)
    except (DockyardError, OSError) as exc:
        container.state.status, container.state.error = Status.DEAD, str(exc)
        engine.containers.try_save(container)
        raise SystemFailure(
            f"container {container.id}: driver failed to remove root filesystem: {exc}"
        ) from exc
    engine.events.publish("container", "destroy", container.id, describe(container))
    for one in live.pending:
        one.ready.cancel()
    live.settle(live.exited, code)
    live.settle(live.removed, code)


def _erase(engine: Engine, container: Container, volumes: bool) -> None:
    """Everything on the disk. Blocks; may be repeated."""
    engine.layers.remove_rw(container.id)
    remove_directory(engine.containers.directory(container.id))
    released = engine.volumes.release(container.id)
    if volumes:
        # Those of its own too: an earlier attempt may have released them, and come no further.
        own = [mount.name for mount in container.mounts if mount.type == "volume" and mount.anonymous]
        for name in dict.fromkeys([*released, *own]):
            _remove_volume(engine, name)


def _remove_volume(engine: Engine, name: str) -> None:
    try:
        engine.volumes.remove(name, force=True)
    except Conflict:
        pass  # another container has it too
    except (DockyardError, OSError) as exc:
        log.warning("anonymous volume %s can't be removed: %s", name, exc)


async def finish(engine: Engine, container: Container) -> None:
    """Complete a removal that a crash interrupted."""
    await take_down(engine, container)
    live = engine.containers.live(container.id)
    async with live.lock:
        await destroy(engine, container, live, volumes=container.removing_volumes)
