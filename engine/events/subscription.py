"""One listener's view of the event bus."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar


class Timed(Protocol):
    """Anything with a time, in nanoseconds since the epoch."""

    @property
    def time(self) -> int:
        """When it happened."""
        ...


E = TypeVar("E", bound=Timed)


class Subscription(Generic[E]):
    """An async iterator over events; close it (or leave its ``with``) to stop listening.

    Events are put in by `offer`, from any thread, under the bus's lock; so their order is the
    bus's. A listener that lets `limit` events pile up is ended.
    """

    def __init__(
        self,
        wanted: Callable[[E], bool],
        until: float | None,
        limit: int,
        on_close: Callable[[Subscription[E]], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._wanted = wanted
        self._until = None if until is None else int(until * 1e9)
        self._limit = limit
        self._on_close = on_close
        self._events: deque[E] = deque()
        self._news = asyncio.Event()
        self._ended = False

    def replay(self, events: Iterable[E]) -> None:
        """Give it what happened before."""
        self._events.extend(event for event in events if self._fits(event))

    def over(self) -> bool:
        """Whether nothing that happens from now on can be in its window."""
        return self._until is not None and self._until <= time.time_ns()

    def offer(self, event: E) -> None:
        """Tell it what happens now."""
        if not self._ended and self._fits(event):
            if len(self._events) >= self._limit:
                self._ended = True
            else:
                self._events.append(event)
            self._wake()

    def end(self) -> None:
        """Let the iteration end after what is queued."""
        self._ended = True
        self._wake()

    def close(self) -> None:
        """Stop listening."""
        self._ended = True
        self._events.clear()
        self._on_close(self)

    def _fits(self, event: E) -> bool:
        return (self._until is None or event.time <= self._until) and self._wanted(event)

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:  # the loop is closed: nobody listens any more
            self._ended = True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        while not self._events:
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            try:
                async with asyncio.timeout(self._remaining()):
                    await self._news.wait()
            except TimeoutError:
                self._ended = True
        return self._events.popleft()

    def _remaining(self) -> float | None:
        """Seconds until the window closes."""
        return None if self._until is None else max(0.0, (self._until - time.time_ns()) / 1e9)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
