"""Waiting until a container is what somebody needs it to be. `judge` decides, without I/O."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from compose.errors import OperationFailed
from compose.execute.events import ProjectEvents
from engine.client import DockerClient
from engine.errdefs import NotFound


def judge(condition: str, name: str, state: dict[str, Any]) -> bool:
    """Whether a container with this inspected State meets the condition; False is "not yet".

    conditions: started, healthy, completed_successfully; ready is what `up --wait` waits for:
    healthy, or running if it has no health check, or finished with success.
    Raises OperationFailed if it never will.
    """
    status, code = state.get("Status", ""), state.get("ExitCode", 0)
    health = (state.get("Health") or {}).get("Status", "none")
    ended = status in ("exited", "dead")
    match condition:
        case "started":
            return bool(status != "created")
        case "completed_successfully":
            if ended and code != 0:
                raise OperationFailed(f"container {name} didn't complete successfully: exit {code}")
            return bool(ended)
        case "ready" if ended and code == 0:
            return True
        case "ready" if health in ("none", ""):
            if ended:
                raise OperationFailed(f"container {name} exited ({code})")
            return bool(status == "running")
    if ended:
        raise OperationFailed(f"container {name} exited ({code})")
    if health == "unhealthy":
        raise OperationFailed(f"container {name} is unhealthy")
    if health in ("none", "") and status == "running":
        raise OperationFailed(f"container {name} has no healthcheck configured")
    return bool(health == "healthy")


async def wait_until(client: DockerClient, events: ProjectEvents, container: str, condition: str) -> None:
    """Return when the container meets the condition. Raises OperationFailed if it can't any more."""
    async for _ in events.changes(container):
        try:
            found = await client.json("GET", f"/containers/{quote(container, safe='')}/json")
        except NotFound as exc:
            raise OperationFailed(f"container {container[:12]} was removed while it was waited for") from exc
        if judge(condition, str(found.get("Name", container)).rpartition("/")[2], found["State"]):
            return
