"""Use case: what a container uses, as `docker stats` shows it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from engine.container import timestamps
from engine.container.model import Container
from engine.daemon.engine import Engine
from engine.errdefs import NotFound

_NEVER = "0001-01-01T00:00:00Z"
_NO_CPU: dict[str, Any] = {
    "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
    "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
}
_NETWORK_KEYS = ("bytes", "packets", "errors", "dropped")
TICK = os.sysconf("SC_CLK_TCK")


def empty(container: Container) -> dict[str, Any]:
    """The answer for a container that does not run."""
    return {
        "read": _NEVER,
        "preread": _NEVER,
        "pids_stats": {},
        "blkio_stats": {},
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _NO_CPU,
        "precpu_stats": _NO_CPU,
        "memory_stats": {},
        "name": f"/{container.name}",
        "id": container.id,
    }


async def sample(engine: Engine, container: Container, before: dict[str, Any] | None) -> dict[str, Any]:
    """One reading; `before` is the one before it, for the client's differences."""
    usage = await engine.execution.stats(container.id)
    cpu = dict(usage.get("cpu_stats") or {})
    system, cpus = _host_cpu()
    cpu.setdefault("system_cpu_usage", system)
    cpu.setdefault("online_cpus", cpus)
    answer = {
        "read": timestamps.rfc3339nano(timestamps.now()),
        "preread": before["read"] if before else _NEVER,
        "pids_stats": usage.get("pids_stats") or {},
        "blkio_stats": usage.get("blkio_stats") or {},
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": cpu,
        "precpu_stats": before["cpu_stats"] if before else _NO_CPU,
        "memory_stats": usage.get("memory_stats") or {},
        "name": f"/{container.name}",
        "id": container.id,
    }
    if container.network_mode not in ("host", "none") and container.state.pid:
        answer["networks"] = interfaces(Path(f"/proc/{container.state.pid}/net/dev"))
    return answer


async def stream(engine: Engine, container: Container) -> AsyncGenerator[dict[str, Any], None]:
    """A reading a second, as long as the container exists; empty ones while it does not run."""
    before: dict[str, Any] | None = None
    while engine.containers.find(container.id) is not None:
        before = await _try_sample(engine, container, before)
        yield before or empty(container)
        await asyncio.sleep(1)


async def once(engine: Engine, container: Container, *, one_shot: bool) -> dict[str, Any]:
    """One answer: the second of two readings a second apart, or with `one_shot` the first."""
    first = await _try_sample(engine, container, None)
    if first is None or one_shot:
        return first or empty(container)
    await asyncio.sleep(1)
    return await _try_sample(engine, container, first) or empty(container)


async def _try_sample(
    engine: Engine, container: Container, before: dict[str, Any] | None
) -> dict[str, Any] | None:
    if not container.running:
        return None
    try:
        return await sample(engine, container, before)
    except NotFound:
        return None  # it has just ended


def _host_cpu() -> tuple[int, int]:
    """(CPU time of the whole host in ns, number of CPUs), from the first line of /proc/stat (proc(5))."""
    total, cpus = 0, 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == "cpu":
            total = sum(int(field) for field in fields[:8])
        elif name.startswith("cpu"):
            cpus += 1
        else:
            break
    return total * (1_000_000_000 // TICK), cpus


def interfaces(path: Path) -> dict[str, dict[str, int]]:
    """Interface → counters, from a namespace's /proc/PID/net/dev (proc(5)); the loopback is left out."""
    try:
        lines = path.read_text().splitlines()[2:]
    except OSError:
        return {}
    found = {}
    for line in lines:
        name, _, rest = line.partition(":")
        fields = [int(field) for field in rest.split()]
        if name.strip() == "lo" or len(fields) < 12:
            continue
        received = {f"rx_{key}": fields[index] for index, key in enumerate(_NETWORK_KEYS)}
        sent = {f"tx_{key}": fields[8 + index] for index, key in enumerate(_NETWORK_KEYS)}
        found[name.strip()] = received | sent
    return found
