"""The words of `docker ps`: "Up 3 seconds (healthy)", "Exited (0) 2 minutes ago"."""

from __future__ import annotations

from engine.container.model import Container, Status
from engine.container.timestamps import SECOND

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def human_duration(seconds: float) -> str:
    """As docker says it: coarse, one unit, "About a minute"."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < _MINUTE:
        return f"{whole} seconds"
    minutes = whole // _MINUTE
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = round(seconds / _HOUR)
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    days = hours // 24
    if hours < 24 * 7 * 2:
        return f"{days} days"
    if hours < 24 * 30 * 2:
        return f"{days // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{days // 30} months"
    return f"{days // 365} years"


def describe(container: Container, now: int) -> str:
    """The Status text at `now` (nanoseconds)."""
    state = container.state
    if state.status in (Status.RUNNING, Status.PAUSED):
        up = f"Up {human_duration((now - state.started_at) / SECOND)}"
        if state.status == Status.PAUSED:
            return f"{up} (Paused)"
        if state.health is not None and state.health.status != "none":
            word = "health: starting" if state.health.status == "starting" else state.health.status
            return f"{up} ({word})"
        return up
    since = human_duration((now - state.finished_at) / SECOND)
    if state.status == Status.RESTARTING:
        return f"Restarting ({state.exit_code}) {since} ago"
    if state.status == Status.REMOVING:
        return "Removal In Progress"
    if state.status == Status.DEAD:
        return "Dead"
    if state.started_at == 0:
        return "Created"
    return f"Exited ({state.exit_code}) {since} ago" if state.finished_at else ""
