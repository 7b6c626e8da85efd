"""The monitor's event loop: epoll, and timers. A tenth of selectors + asyncio in memory and start-up."""

from __future__ import annotations

import heapq
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

READ, WRITE = select.EPOLLIN, select.EPOLLOUT
#: Reported whether asked for or not.
HANGUP = select.EPOLLHUP | select.EPOLLERR


class Timer:
    """A call to come; `cancel` forgets it."""

    __slots__ = ("call", "deadline")

    def __init__(self, deadline: float, call: Callable[[], None]) -> None:
        self.deadline = deadline
        self.call: Callable[[], None] | None = call

    def __lt__(self, other: Timer) -> bool:
        return self.deadline < other.deadline

    def cancel(self) -> None:
        """Do not call."""
        self.call = None


class Loop:
    """Calls back with the events of each registered descriptor until `stop`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._calls: dict[int, Callable[[int], None]] = {}
        self._events: dict[int, int] = {}
        self._timers: list[Timer] = []
        self._running = True

    def watch(self, fd: int, events: int, call: Callable[[int], None]) -> None:
        """Register `fd`; events 0 leaves only hang-ups and errors."""
        self._epoll.register(fd, events)
        self._calls[fd] = call
        self._events[fd] = events

    def change(self, fd: int, events: int) -> None:
        """Wait for other events of a registered descriptor."""
        if self._events.get(fd, events) != events:
            self._epoll.modify(fd, events)
            self._events[fd] = events

    def forget(self, fd: int) -> None:
        """Unregister; call before closing it. A stranger is no error."""
        if self._calls.pop(fd, None) is not None:
            del self._events[fd]
            self._epoll.unregister(fd)

    def watching(self, fd: int) -> bool:
        """Whether `fd` is registered."""
        return fd in self._calls

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call once, after that time."""
        timer = Timer(time.monotonic() + seconds, call)
        heapq.heappush(self._timers, timer)
        return timer

    def stop(self) -> None:
        """Return from `run` after this round."""
        self._running = False

    def run(self) -> None:
        """Serve until `stop`."""
        while self._running:
            while self._timers and self._timers[0].call is None:
                heapq.heappop(self._timers)
            wait = max(self._timers[0].deadline - time.monotonic(), 0) if self._timers else None
            for fd, events in self._epoll.poll(wait):
                call = self._calls.get(fd)
                if call is not None:
                    call(events)
            while self._timers and self._timers[0].deadline <= time.monotonic():
                due = heapq.heappop(self._timers).call
                if due is not None:
                    due()
