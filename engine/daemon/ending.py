"""What happens when a container's process has ended, whoever ended it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from engine.container.live import Live, describe
from engine.container.model import Container, Status
from engine.container.restart import Ending, decide
from engine.container.timestamps import SECOND
from engine.daemon.engine import Engine
from engine.daemon.remove import destroy
from engine.daemon.takedown import take_down
from engine.driverapi.execution import ExitStatus
from engine.errdefs import DockyardError

log = logging.getLogger(__name__)


Launch = Callable[[Engine, Container, Live], Awaitable[None]]


async def watch(engine: Engine, container: Container, launch: Launch) -> None:
    """Wait for the end of a running container, then see to it. A task for each.

    launch: starts it again (engine.daemon.start), with the container's lock held.
    """
    try:
        status = await engine.execution.wait(container.id)
    except DockyardError as exc:
        log.warning("lost sight of container %s: %s", container.id[:12], exc)
        status = ExitStatus(255, time.time())
    try:
        await ended(engine, container, status, launch)
    except Exception:
        log.exception("after the end of container %s", container.id[:12])


async def ended(engine: Engine, container: Container, status: ExitStatus, launch: Launch) -> None:
    """Clean up, tell everybody, then restart or remove it as its configuration says."""
    live = engine.containers.live(container.id)
    async with live.lock:
        if not container.running:
            return
        _stop_health(live)
        delay = decide(container.host_config["RestartPolicy"], _ending(container, live, status))
        record(container, status, restarting=delay is not None)
        _tell(engine, container, status)
        _finish_execs(live)
        # Who waits for the end may want its ports, its address or its volumes next.
        await take_down(engine, container)
        engine.containers.try_save(container)
        live.settle(live.exited, status.code)
        if delay is not None:
            live.restart_delay = delay
            live.restart = asyncio.create_task(restart_later(engine, container, live, delay, launch))
        elif container.host_config.get("AutoRemove") and not live.keep:
            await _remove(engine, container, live)


def record(container: Container, status: ExitStatus, *, restarting: bool = False) -> None:
    """Write an exit into the record. The caller saves it."""
    state = container.state
    state.status = Status.RESTARTING if restarting else Status.EXITED
    state.pid, state.exit_code, state.oom_killed = 0, status.code, status.oom_killed
    state.finished_at = int(status.at * SECOND)
    if state.health is not None and state.health.status != "none":
        state.health.status = "unhealthy"


def _ending(container: Container, live: Live, status: ExitStatus) -> Ending:
    return Ending(
        exit_code=status.code,
        uptime=status.at - container.state.started_at / SECOND,
        restarts=container.restart_count,
        stopped=live.no_restart or live.keep,
        last_delay=live.restart_delay,
    )


def _stop_health(live: Live) -> None:
    if live.health is not None:
        live.health.cancel()
        live.health = None


def _finish_execs(live: Live) -> None:
    """Processes of a container die with it; nobody need wait for them any longer."""
    for one in live.execs.values():
        if one.running and one.exit_code is None:
            one.exit_code, one.running = 137, False
            one.ended.set()


def _tell(engine: Engine, container: Container, status: ExitStatus) -> None:
    attributes = describe(container)
    if status.oom_killed:
        engine.events.publish("container", "oom", container.id, attributes)
    seconds = max(0, int(status.at - container.state.started_at / SECOND))
    extra = {"exitCode": str(status.code), "execDuration": str(seconds)}
    engine.events.publish("container", "die", container.id, attributes | extra)


async def restart_later(
    engine: Engine, container: Container, live: Live, delay: float, launch: Launch
) -> None:
    """Start a restarting container after `delay` seconds, unless somebody stops it until then."""
    await asyncio.sleep(delay)
    async with live.lock:
        if container.state.status != Status.RESTARTING:
            return
        live.restart = None
        container.restart_count += 1
        try:
            await launch(engine, container, live)
        except DockyardError as exc:
            log.warning("container %s can't be restarted: %s", container.id[:12], exc)
            container.state.status = Status.EXITED
            engine.containers.save(container)


async def _remove(engine: Engine, container: Container, live: Live) -> None:
    try:
        await destroy(engine, container, live, volumes=True)
    except DockyardError as exc:
        log.warning("container %s can't be removed: %s", container.id[:12], exc)
