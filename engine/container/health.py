"""Health checks: what to run and when, and what a result means. Pure.

Times are seconds here; the API has nanoseconds. Defaults: Engine API reference, `HealthConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.container.model import Health, ProbeResult
from engine.container.timestamps import SECOND

KEEP_RESULTS = 5
MAX_OUTPUT = 4096

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"


@dataclass(frozen=True, slots=True)
class Probe:
    """A health check to run. command: full argv."""

    command: tuple[str, ...]
    interval: float = 30.0
    timeout: float = 30.0
    start_period: float = 0.0
    start_interval: float = 5.0
    retries: int = 3

    def delay(self, status: str, age: float) -> float:
        """Seconds until the next run. age: how long the container has been up."""
        if status == STARTING and age < self.start_period:
            return min(self.start_interval, self.interval)
        return self.interval


def probe_of(config: Mapping[str, Any]) -> Probe | None:
    """The container's check, None if it has none (no Test, or NONE)."""
    check = config.get("Healthcheck") or {}
    test = list(check.get("Test") or ())
    if not test or test[0] == "NONE":
        return None
    if test[0] == "CMD-SHELL":
        command = [*(config.get("Shell") or ("/bin/sh", "-c")), *test[1:2]]
    elif test[0] == "CMD":
        command = test[1:]
    else:
        command = test
    if not command:
        return None
    given = {
        name: check[key] / SECOND
        for key, name in (
            ("Interval", "interval"),
            ("Timeout", "timeout"),
            ("StartPeriod", "start_period"),
            ("StartInterval", "start_interval"),
        )
        if check.get(key)
    }
    return Probe(tuple(command), retries=check.get("Retries") or 3, **given)


def judge(health: Health, result: ProbeResult, probe: Probe, age: float) -> Health:
    """The health after one more result; failures within the start period do not count."""
    log = [*health.log, result][-KEEP_RESULTS:]
    if result.exit_code == 0:
        return Health(HEALTHY, 0, log)
    if health.status == STARTING and age < probe.start_period:
        return Health(STARTING, health.failing_streak, log)
    streak = health.failing_streak + 1
    return Health(UNHEALTHY if streak >= probe.retries else health.status, streak, log)


def clip(output: bytes) -> str:
    """Output as it is kept: the first 4096 bytes."""
    text = output[:MAX_OUTPUT].decode("utf-8", "replace")
    return text + "..." if len(output) > MAX_OUTPUT else text
