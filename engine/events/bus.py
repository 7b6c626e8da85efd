"""The event bus: a bounded memory of what happened, and its live subscribers.

An event is published synchronously from the event loop or from any worker thread. Subscribers get
the remembered events of their window first, then the live ones, each once and in order. A
subscriber that does not read is cut off when its queue is full, so that it can't hold the
daemon's memory; it sees the end of its stream.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from engine.api.filters import Filters
from engine.events.select import matches
from engine.events.subscription import Subscription

REMEMBERED = 256
QUEUE = 4096


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. time: nanoseconds since the epoch. type: container, image, volume, …"""

    type: str
    action: str
    actor_id: str
    attributes: Mapping[str, str]
    time: int
    scope: str = "local"

    def to_api(self) -> dict[str, Any]:
        """The API's message, with the `status`, `id`, `from` of old clients for containers and images."""
        message: dict[str, Any] = {}
        if self.type in ("container", "image"):
            message |= {"status": self.action, "id": self.actor_id}
            if image := self.attributes.get("image") if self.type == "container" else None:
                message["from"] = image
        return message | {
            "Type": self.type,
            "Action": self.action,
            "Actor": {"ID": self.actor_id, "Attributes": dict(self.attributes)},
            "scope": self.scope,
            "time": self.time // 1_000_000_000,
            "timeNano": self.time,
        }


class EventBus:
    """One a daemon. `publish` may be called from any thread, `subscribe` from the event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ring: deque[Event] = deque(maxlen=REMEMBERED)
        self._subscriptions: set[Subscription[Event]] = set()
        self._last = 0
        self._closed = False

    def publish(self, type: str, action: str, actor_id: str, attributes: Mapping[str, str]) -> None:
        """Tell what happened. Never blocks, never fails; times are strictly increasing."""
        frozen = MappingProxyType(dict(attributes))
        with self._lock:
            self._last = max(time.time_ns(), self._last + 1)
            event = Event(type, action, actor_id, frozen, self._last)
            self._ring.append(event)
            for subscription in self._subscriptions:
                subscription.offer(event)

    def subscribers(self) -> int:
        """How many are listening (the API's NEventsListener)."""
        return len(self._subscriptions)

    def subscribe(
        self, filters: Filters, since: float | None = None, until: float | None = None
    ) -> Subscription[Event]:
        """Events that match, as an async iterator to be closed. since, until: seconds since the epoch.

        Without `since` only what happens from this very call on (not from the first iteration)
        is given; with it, remembered events come first. With `until` the iteration ends then, at
        once if that is past.
        """
        subscription: Subscription[Event] = Subscription(
            lambda event: matches(filters, event), until, QUEUE, self._unsubscribe
        )
        with self._lock:
            if since is not None:
                start = int(since * 1e9)
                subscription.replay(event for event in self._ring if event.time >= start)
            if self._closed or subscription.over():
                subscription.end()
            else:
                self._subscriptions.add(subscription)
        return subscription

    def _unsubscribe(self, subscription: Subscription[Event]) -> None:
        with self._lock:
            self._subscriptions.discard(subscription)

    def close(self) -> None:
        """End all subscriptions: the daemon is stopping."""
        with self._lock:
            self._closed = True
            for subscription in self._subscriptions:
                subscription.end()
