"""The words of `docker ps`: "Up 3 seconds (healthy)", "Exited (0) 2 minutes ago"."""

from __future__ import annotations

from engine.api.durations import human_duration
from engine.container.model import Container, Status
from engine.container.timestamps import SECOND


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
