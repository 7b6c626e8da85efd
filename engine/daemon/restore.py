"""When the daemon starts: find the containers of the last one again; when it ends: let them go.

recorded as      found             becomes
creating         –                 undone
removing, dead   –                 removed to the end
starting         whatever          stopped, as if the start had failed
running, paused  alive             running: watcher, health checks, network, attachments go on
                 ended             exited with its recorded code and time; restart policy applies
                 lost              exited with 255
restarting       –                 started again
anything else    –                 started if its restart policy says so
"""

from __future__ import annotations

import asyncio
import logging
import time

from engine.container import timestamps
from engine.container.live import Live
from engine.container.model import Container, Phase, Status
from engine.container.restart import at_boot
from engine.daemon import health
from engine.daemon.create import unmake
from engine.daemon.ending import record, watch
from engine.daemon.engine import Engine
from engine.daemon.exec import keep
from engine.daemon.remove import destroy, finish
from engine.daemon.start import launch
from engine.daemon.takedown import take_down
from engine.driverapi.execution import ExitStatus, TaskState
from engine.errdefs import DockyardError, Unavailable

log = logging.getLogger(__name__)


async def restore(engine: Engine) -> None:
    """Bring every container's record in line with what is there. Starts nothing that takes long."""
    await _settle_half_made(engine)
    before = engine.containers.list()
    states = await asyncio.gather(*(_find(engine, one) for one in before))
    alive = [one for one, state in zip(before, states, strict=True) if _alive(state)]
    await engine.networks.restore(_with_sandbox(alive))
    to_start: list[Container] = []
    for one, state in zip(before, states, strict=True):
        try:
            if await _settle(engine, one, state):
                to_start.append(one)
        except (DockyardError, OSError) as exc:  # the others have a right to be found
            log.error("container %s can't be restored: %s", one.id[:12], exc)
    if to_start:
        keep(engine, asyncio.create_task(_start_all(engine, to_start)))


async def _settle(engine: Engine, one: Container, state: TaskState | None) -> bool:
    """Bring one record in line; True if the container shall be started."""
    was_active, called_off = one.active, one.phase == Phase.STARTING
    if state is not None and _alive(state):
        await _resume(engine, one, state)
        return False
    if called_off:
        await _call_off(engine, one)
    elif one.running:
        await _note_exit(engine, one, state)
    if one.host_config.get("AutoRemove") and (one.started_before or called_off):
        await _remove(engine, one)
    elif at_boot(
        one.host_config["RestartPolicy"], was_active=was_active, manually_stopped=one.manually_stopped
    ) and (one.started_before or was_active):
        return True
    elif one.state.status == Status.RESTARTING:
        one.state.status = Status.EXITED
        engine.containers.save(one)
    return False


def _alive(state: TaskState | None) -> bool:
    return state is not None and state.status in ("running", "paused")


def _with_sandbox(alive: list[Container]) -> list[str]:
    return [one.id for one in alive if not one.network_mode.startswith("container:")]


async def _settle_half_made(engine: Engine) -> None:
    """Undo creations, complete removals."""
    for one in engine.containers.list():
        if one.phase == Phase.CREATING:
            log.info("container %s was being created; undoing that", one.id[:12])
            await asyncio.to_thread(unmake, engine, one)
            engine.containers.remove(one.id)
        elif one.phase == Phase.REMOVING:
            log.info("container %s was being removed; completing that", one.id[:12])
            try:
                await finish(engine, one)
            except DockyardError as exc:
                log.warning("container %s: %s", one.id[:12], exc)


async def _find(engine: Engine, one: Container) -> TaskState | None:
    """What the execution driver knows of a container that ran.

    Unavailable (too many open files, say) goes through: better no daemon than one that takes its
    containers for lost.
    """
    if not one.running or one.phase == Phase.STARTING:
        return None
    try:
        state = await engine.execution.restore(one.id, engine.containers.directory(one.id))
    except Unavailable:
        raise
    except DockyardError as exc:
        log.warning("container %s can't be found again: %s", one.id[:12], exc)
        return None
    if state is not None and state.status == "created":
        await take_down(engine, one)
        return None
    return state


async def _call_off(engine: Engine, one: Container) -> None:
    """Undo a start that the last daemon did not complete."""
    log.info("container %s was being started; undoing that", one.id[:12])
    await take_down(engine, one)
    one.phase = Phase.NONE
    one.state.error = "the daemon ended while the container was being started"
    one.state.exit_code, one.state.pid = 128, 0
    if one.started_before:
        one.state.finished_at = timestamps.now()
    engine.containers.save(one)


async def _resume(engine: Engine, one: Container, state: TaskState) -> None:
    """It has run on without us."""
    live = engine.containers.live(one.id)
    one.state.status = Status.PAUSED if state.status == "paused" else Status.RUNNING
    one.state.pid = state.pid or one.state.pid
    await asyncio.to_thread(engine.layers.mount_rw, one.id)
    health.begin(engine, one, live, resumed=True)
    engine.containers.save(one)
    live.watcher = asyncio.create_task(watch(engine, one, launch))


async def _note_exit(engine: Engine, one: Container, state: TaskState | None) -> None:
    """It ended while no daemon looked."""
    status = state.exit if state is not None and state.exit is not None else ExitStatus(255, time.time())
    await take_down(engine, one)
    record(one, status)
    engine.containers.save(one)
    log.info("container %s has ended with exit code %d meanwhile", one.id[:12], status.code)


async def _remove(engine: Engine, one: Container) -> None:
    live = engine.containers.live(one.id)
    try:
        async with live.lock:
            await destroy(engine, one, live, volumes=True)
    except DockyardError as exc:
        log.warning("container %s: %s", one.id[:12], exc)


async def _start_all(engine: Engine, containers: list[Container]) -> None:
    """By age, so that what others were made to depend on comes first."""
    for one in sorted(containers, key=lambda one: one.created):
        live = engine.containers.live(one.id)
        await _start(engine, one, live)


async def _start(engine: Engine, one: Container, live: Live) -> None:
    async with live.lock:
        if one.running or live.no_restart or engine.containers.find(one.id) is None:
            return  # started, stopped or removed by a client meanwhile
        if one.state.status == Status.RESTARTING:
            one.restart_count += 1
        one.state.status = Status.EXITED
        try:
            await launch(engine, one, live)
        except DockyardError as exc:
            log.warning("container %s can't be started: %s", one.id[:12], exc)


async def let_go(engine: Engine) -> None:
    """End all tasks; the containers run on."""
    tasks: set[asyncio.Task[None]] = set(engine.rooms.get("tasks", ()))
    for one in engine.containers.list():
        live = engine.containers.live(one.id)
        tasks.update(task for task in (live.watcher, live.health, live.restart) if task is not None)
        for waiting in live.pending:
            waiting.ready.cancel()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
