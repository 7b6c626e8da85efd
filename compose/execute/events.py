"""The engine's events of a project, for those who wait for something to happen.

Subscribe first and look afterwards: then nothing that happens in between is missed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any

from compose import labels
from engine.client import DockerClient
from engine.errdefs import DockyardError

RECONNECT = 0.5


class ProjectEvents:
    """Container events of one project; an async context manager, subscribed when it is entered.

    The stream is opened again if it breaks, and all waiters are woken then, since events may have
    been missed.
    """

    def __init__(self, client: DockerClient, project: str) -> None:
        self._client, self._project = client, project
        self._changed: dict[str, set[asyncio.Event]] = {}
        self._queues: set[asyncio.Queue[dict[str, Any] | None]] = set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> ProjectEvents:
        subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._follow(subscribed))
        try:
            await subscribed
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, DockyardError):
                await self._task
            self._task = None

    async def _follow(self, subscribed: asyncio.Future[None]) -> None:
        filters = {"type": ["container"], **labels.of_project(self._project)}
        while True:
            try:
                response = await self._client.request("GET", "/events", params={"filters": filters})
                try:
                    await response.raise_for_status()
                    if not subscribed.done():
                        subscribed.set_result(None)
                    self._wake_all()
                    async for event in response.lines():
                        self._publish(event)
                finally:
                    response.close()
            except DockyardError as exc:
                if not subscribed.done():
                    subscribed.set_exception(exc)
                    return
            await asyncio.sleep(RECONNECT)

    def _publish(self, event: dict[str, Any]) -> None:
        actor = event.get("Actor") or {}
        attributes = actor.get("Attributes") or {}
        if event.get("Type", "container") != "container" or attributes.get(labels.PROJECT) != self._project:
            return
        for waiter in self._changed.get(actor.get("ID", ""), ()):
            waiter.set()
        for queue in self._queues:
            queue.put_nowait(event)

    def _wake_all(self) -> None:
        for waiters in self._changed.values():
            for waiter in waiters:
                waiter.set()
        for queue in self._queues:
            queue.put_nowait(None)

    async def changes(self, container: str) -> AsyncIterator[None]:
        """Yield at once, and again whenever something happened to the container."""
        waiter = asyncio.Event()
        waiters = self._changed.setdefault(container, set())
        waiters.add(waiter)
        try:
            while True:
                waiter.clear()
                yield
                await waiter.wait()
        finally:
            waiters.discard(waiter)

    @contextlib.contextmanager
    def queue(self) -> Any:
        """A queue of events as they come; None means that some may have been missed."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)
