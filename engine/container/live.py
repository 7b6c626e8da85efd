"""What the daemon keeps of a container in memory only: tasks, waiters, execs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from engine.container.model import Container
from engine.driverapi.execution import Attachment


@dataclass(slots=True, eq=False)
class PendingAttach:
    """An attach that came before the start: `start` fulfils `ready` once output can flow."""

    stdin: bool
    stdout: bool
    stderr: bool
    ready: asyncio.Future[Attachment]


@dataclass(slots=True)
class Exec:
    """A further process of a container, from its creation until the container is gone.

    exit_code is None until it has ended. process: what the client asked for, the API's names.
    """

    id: str
    container_id: str
    config: dict[str, Any]
    pid: int = 0
    started: bool = False
    running: bool = False
    exit_code: int | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Live:
    """Companion of one container.

    lock: held over each change of its state (start, the clean-up after its exit, removal), never
        while something outside is waited for.
    exited, removed: futures of those who wait; fulfilled with the exit code.
    no_restart: somebody stopped it on purpose; the restart policy stays out of it this time.
    restart_delay: what the policy waited last, in seconds.
    keep: a restart is under way, so `--rm` does not apply to this exit.
    summary: its encoded entry of `/containers/json`, and the Image shown in it.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    watcher: asyncio.Task[None] | None = None
    health: asyncio.Task[None] | None = None
    restart: asyncio.Task[None] | None = None
    pending: list[PendingAttach] = field(default_factory=list)
    exited: list[asyncio.Future[int]] = field(default_factory=list)
    removed: list[asyncio.Future[int]] = field(default_factory=list)
    execs: dict[str, Exec] = field(default_factory=dict)
    no_restart: bool = False
    restart_delay: float = 0.0
    keep: bool = False
    summary: tuple[str, bytes] | None = None

    def settle(self, waiters: list[asyncio.Future[int]], code: int) -> None:
        """Tell all of `waiters`, and empty the list."""
        told, waiters[:] = list(waiters), []
        for waiter in told:
            if not waiter.done():
                waiter.set_result(code)


def describe(container: Container) -> dict[str, str]:
    """The attributes of a container's events: its labels, image and name."""
    return {
        **{k: str(v) for k, v in container.labels.items()},
        "image": container.image,
        "name": container.name,
    }
