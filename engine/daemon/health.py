"""Health checks of running containers: one task each, asleep between two checks."""

from __future__ import annotations

import asyncio
import logging
import time

from engine.container import timestamps
from engine.container.health import MAX_OUTPUT, Probe, clip, judge, probe_of
from engine.container.live import Live, describe
from engine.container.model import Container, Health, ProbeResult
from engine.container.timestamps import SECOND
from engine.daemon.command import CommandResult, run_command
from engine.daemon.engine import Engine
from engine.errdefs import DockyardError

log = logging.getLogger(__name__)


def begin(engine: Engine, container: Container, live: Live, *, resumed: bool = False) -> None:
    """Start checking a container that has just been started, or (`resumed`) was found running."""
    probe = probe_of(container.config)
    if probe is None:
        container.state.health = None
        return
    if not resumed or container.state.health is None:
        container.state.health = Health()
    live.health = asyncio.create_task(_check_forever(engine, container, probe))


async def _check_forever(engine: Engine, container: Container, probe: Probe) -> None:
    while True:
        await asyncio.sleep(probe.delay(_status(container), _age(container)))
        if not container.running:
            return
        if container.paused:
            continue
        try:
            _take(engine, container, probe, await _probe(engine, container, probe))
        except Exception:
            log.exception("health check of container %s", container.id[:12])


def _status(container: Container) -> str:
    return container.state.health.status if container.state.health else ""


def _age(container: Container) -> float:
    return (timestamps.now() - container.state.started_at) / SECOND


async def _probe(engine: Engine, container: Container, probe: Probe) -> ProbeResult:
    begin_at = timestamps.now()
    clock = time.monotonic()
    try:
        result = await run_command(
            engine, container, probe.command, timeout=probe.timeout, limit=MAX_OUTPUT + 1
        )
    except DockyardError as exc:
        result = CommandResult(-1, str(exc).encode())
    end_at = begin_at + round((time.monotonic() - clock) * SECOND)
    if result.timed_out:
        text = f"Health check exceeded timeout ({probe.timeout:g}s)"
        output = f"{text}: {clip(result.output)}" if result.output else text
        return ProbeResult(begin_at, end_at, -1, output)
    return ProbeResult(begin_at, end_at, result.exit_code, clip(result.output))


def _take(engine: Engine, container: Container, probe: Probe, result: ProbeResult) -> None:
    """Write a result down, and tell of a change."""
    before = container.state.health or Health()
    after = judge(before, result, probe, _age(container))
    container.state.health = after
    engine.containers.save(container)
    if after.status != before.status:
        engine.events.publish(
            "container", f"health_status: {after.status}", container.id, describe(container)
        )
