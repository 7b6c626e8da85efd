"""The cluster's event stream: what the nodes tell, each event marked with its node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from swarm.cluster.node import ClusterNode

_QUEUE = 4096


class EventHub:
    """Passes events on to whoever listens. A listener that falls too far behind is cut off."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[dict[str, Any] | None]] = set()

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[dict[str, Any] | None]]:
        """A queue of events from now on; None is the last one."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(_QUEUE)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    def publish(self, event: dict[str, Any]) -> None:
        """Give an event to all."""
        for queue in list(self._listeners):
            self._put(queue, event)

    def close(self) -> None:
        """End all subscriptions."""
        for queue in list(self._listeners):
            self._put(queue, None)

    def _put(self, queue: asyncio.Queue[dict[str, Any] | None], event: dict[str, Any] | None) -> None:
        if queue.full():
            self._listeners.discard(queue)
            queue.get_nowait()
            event = None
        queue.put_nowait(event)


def with_node(event: dict[str, Any], node: ClusterNode) -> dict[str, Any]:
    """The engine's event with its node added, as Swarm's clients know it."""
    facts = node.facts
    marked = dict(event)
    if "from" in marked:
        marked["from"] = f"{marked['from']} node:{facts.name}".strip()
    actor = dict(marked.get("Actor") or {})
    actor["Attributes"] = {
        **(actor.get("Attributes") or {}),
        "node.name": facts.name,
        "node.id": facts.id,
        "node.addr": node.addr,
        "node.ip": facts.ip,
    }
    marked["Actor"] = actor
    marked["node"] = {"Name": facts.name, "Id": facts.id, "Addr": node.addr, "Ip": facts.ip}
    return marked


def node_event(action: str, node: ClusterNode) -> dict[str, Any]:
    """An event of the manager's own: engine_connect, engine_reconnect, engine_disconnect."""
    now = time.time_ns()
    event = {
        "status": action,
        "from": "swarm",
        "Type": "swarm",
        "Action": action,
        "Actor": {"ID": node.id, "Attributes": {}},
        "scope": "swarm",
        "time": now // 1_000_000_000,
        "timeNano": now,
    }
    return with_node(event, node)
