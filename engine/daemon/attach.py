"""Use cases: connect to the streams of a container's first process, before or after its start."""

from __future__ import annotations

import asyncio

from engine.container.live import PendingAttach, describe
from engine.container.model import Container, Status
from engine.daemon.engine import Engine
from engine.driverapi.execution import Attachment
from engine.errdefs import Conflict


async def attach_now(
    engine: Engine, container: Container, *, stdin: bool, stdout: bool, stderr: bool
) -> Attachment | None:
    """The connection if the container runs, else None."""
    if engine.containers.live(container.id).lock.locked() or not container.running:
        return None
    stdin = stdin and bool(container.config.get("OpenStdin"))
    return await engine.execution.attach(container.id, stdin=stdin, stdout=stdout, stderr=stderr)


async def attach(
    engine: Engine, container: Container, *, stdin: bool, stdout: bool, stderr: bool
) -> Attachment:
    """The connection; of a container that does not run yet, as soon as it starts.

    Raises asyncio.CancelledError (of the future, not of the caller) if the container is removed or
    fails to start before.
    """
    live = engine.containers.live(container.id)
    stdin = stdin and bool(container.config.get("OpenStdin"))
    # The lock tells whether a start is under way: it takes those along who wait when it gets there.
    if (found := await attach_now(engine, container, stdin=stdin, stdout=stdout, stderr=stderr)) is not None:
        return found
    waiting = PendingAttach(stdin, stdout, stderr, asyncio.get_running_loop().create_future())
    live.pending.append(waiting)
    if live.lock.locked():
        async with live.lock:
            if container.running and waiting in live.pending:
                live.pending.remove(waiting)
                return await engine.execution.attach(container.id, stdin=stdin, stdout=stdout, stderr=stderr)
    try:
        return await waiting.ready
    finally:
        if waiting in live.pending:
            live.pending.remove(waiting)


def check(container: Container) -> None:
    """Conflict where nobody may attach."""
    if container.paused:
        raise Conflict(f"container {container.name} is paused, unpause the container before attach")
    if container.state.status == Status.RESTARTING:
        raise Conflict(f"container {container.id} is restarting, wait until the container is running")


def tell(engine: Engine, container: Container, action: str) -> None:
    """The events attach and detach."""
    engine.events.publish("container", action, container.id, describe(container))


async def resize(engine: Engine, reference: str, rows: int, columns: int) -> None:
    """Set the size of the terminal. Conflict if the container does not run."""
    container = engine.containers.get(reference)
    if not container.running:
        raise Conflict(f"container {container.id} is not running")
    await engine.execution.resize(container.id, rows, columns)
    size = {"height": str(rows), "width": str(columns)}
    engine.events.publish("container", "resize", container.id, describe(container) | size)
