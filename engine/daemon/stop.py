"""Use cases: stop, kill, restart, pause and unpause a container."""

from __future__ import annotations

import asyncio
import signal as signals

from engine.container.live import Live, describe
from engine.container.model import Container, Status
from engine.container.signals import parse
from engine.daemon.engine import Engine
from engine.daemon.start import start
from engine.errdefs import Conflict, DeadlineExceeded, InvalidParameter, NotFound, NotModified

DEFAULT_TIMEOUT = 10
KILL_PATIENCE = 10.0


async def stop(engine: Engine, reference: str, *, timeout: int | None = None, signal: str = "") -> None:
    """Ask it to end, and make it after `timeout` seconds (negative: never). NotModified if it has."""
    container = engine.containers.get(reference)
    if not container.active:
        raise NotModified(f"container {container.name} does not run")
    await _stop(engine, container, timeout, signal)
    engine.events.publish("container", "stop", container.id, describe(container))


async def _stop(engine: Engine, container: Container, timeout: int | None, signal: str) -> None:
    live = engine.containers.live(container.id)
    number = parse(signal or container.config.get("StopSignal") or "SIGTERM")
    if timeout is None:
        configured = container.config.get("StopTimeout")
        timeout = DEFAULT_TIMEOUT if configured is None else configured
    live.no_restart = True
    container.manually_stopped = True
    if not (gone := await _expect(engine, container, live)):
        return
    await _signal(engine, container, number)
    if container.paused:
        await engine.execution.resume(container.id)
    if await _within(gone, None if timeout < 0 else timeout):
        return
    await _signal(engine, container, signals.SIGKILL)
    if not await _within(gone, KILL_PATIENCE):
        raise DeadlineExceeded(
            f"cannot stop container: {container.name}: its process is still there after SIGKILL; it may hang "
            "in the kernel"
        )


async def _expect(engine: Engine, container: Container, live: Live) -> asyncio.Future[int] | None:
    """A future of its end; None if it does not run (any more). A restart that was due is called off."""
    async with live.lock:
        if live.restart is not None:
            live.restart.cancel()
            live.restart = None
        if container.state.status == Status.RESTARTING:
            container.state.status = Status.EXITED
        engine.containers.try_save(container)
        if not container.running:
            return None
        gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        live.exited.append(gone)
        return gone


async def _within(gone: asyncio.Future[int], seconds: float | None) -> bool:
    try:
        await asyncio.wait_for(asyncio.shield(gone), seconds)
    except TimeoutError:
        return False
    return True


async def _signal(engine: Engine, container: Container, number: int) -> None:
    """Send it and say so; a process that has ended meanwhile is as good."""
    try:
        await engine.execution.kill(container.id, number)
    except NotFound:
        return
    attributes = describe(container) | {"signal": str(int(number))}
    engine.events.publish("container", "kill", container.id, attributes)


async def kill(engine: Engine, reference: str, signal: str = "") -> None:
    """Send a signal (SIGKILL if none is named). Conflict if the container does not run."""
    if signal.isdigit() and int(signal) > 64:
        raise InvalidParameter(
            f"cannot kill container: {reference}: The linux daemon does not support signal {signal}"
        )
    number = parse(signal) if signal else int(signals.SIGKILL)
    try:
        container = engine.containers.get(reference)
    except NotFound as exc:
        raise NotFound(f"cannot kill container: {reference}: {exc}") from exc
    if not container.running:
        raise Conflict(f"cannot kill container: {reference}: container {container.id} is not running")
    live = engine.containers.live(container.id)
    stop_signal = container.config.get("StopSignal")
    ending = not stop_signal or number in (signals.SIGKILL, parse(stop_signal))
    if ending:
        live.no_restart = True
    container.manually_stopped = True
    engine.containers.try_save(container)
    gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    live.exited.append(gone)
    await _signal(engine, container, number)
    if ending and container.paused:
        await engine.execution.resume(container.id)
    if number == signals.SIGKILL:
        # docker's client expects a killed container to be gone when the call returns
        await _within(gone, KILL_PATIENCE)


async def restart(engine: Engine, reference: str, *, timeout: int | None = None, signal: str = "") -> None:
    """Stop it if it runs, and start it. Its --rm does not apply to this stop."""
    container = engine.containers.get(reference)
    live = engine.containers.live(container.id)
    live.keep = True
    try:
        if container.active:
            await _stop(engine, container, timeout, signal)
        try:
            await start(engine, container.id)
        except NotModified:
            pass  # somebody else started it just now
    finally:
        live.keep = False
    engine.events.publish("container", "restart", container.id, describe(container))


async def pause(engine: Engine, reference: str) -> None:
    """Freeze all its processes."""
    container = engine.containers.get(reference)
    async with engine.containers.live(container.id).lock:
        if container.paused:
            raise Conflict(f"container {container.id} is already paused")
        if container.state.status == Status.RESTARTING:
            raise Conflict(f"container {container.id} is restarting, wait until the container is running")
        if not container.running:
            raise Conflict(f"container {container.id} is not running")
        await engine.execution.pause(container.id)
        container.state.status = Status.PAUSED
        engine.containers.try_save(container)
    engine.events.publish("container", "pause", container.id, describe(container))


async def unpause(engine: Engine, reference: str) -> None:
    """Let them go on."""
    container = engine.containers.get(reference)
    async with engine.containers.live(container.id).lock:
        if not container.paused:
            raise Conflict(f"container {container.id} is not paused")
        await engine.execution.resume(container.id)
        container.state.status = Status.RUNNING
        engine.containers.try_save(container)
    engine.events.publish("container", "unpause", container.id, describe(container))
