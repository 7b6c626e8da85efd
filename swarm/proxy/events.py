"""GET /events: the events of all nodes as one stream.

History (`since`) is asked of the nodes and sorted by time; what happens meanwhile waits in the subscription,
so that there is neither a gap nor a repetition between the two.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from engine.api.filters import Filters
from engine.errdefs import InvalidParameter
from swarm.cluster.events import with_node
from swarm.cluster.node import ClusterNode
from swarm.proxy import answer, fanout
from swarm.proxy.call import Call

_NS = 1_000_000_000
_KINDS = ("container", "image", "volume", "network", "plugin", "service", "node", "secret", "config")


async def stream(call: Call) -> web.StreamResponse:
    """Headers first, then an event a line until the client leaves or `until` has come."""
    since, until = instant(call.text("since")), instant(call.text("until"))
    filters = call.filters
    out = answer.MessageStream(call.request)
    with call.cluster.view.events.subscribe() as queue:
        await out.begin()
        told = set()
        if since is not None:
            for past in await _history(call, since, until):
                told.add(_identity(past))
                if wanted(past, filters):
                    await out.send(past)
        while (event := await _next(queue, until)) is not None:
            if told and _identity(event) in told:
                continue
            if wanted(event, filters):
                await out.send(event)
    return await out.end()


async def _next(queue: asyncio.Queue[dict[str, Any] | None], until: int | None) -> dict[str, Any] | None:
    if until is None:
        return await queue.get()
    left = (until - time.time_ns()) / _NS
    try:
        async with asyncio.timeout(max(0.0, left)):
            event = await queue.get()
    except TimeoutError:
        return None
    return event if event is None or event.get("timeNano", 0) <= until else None


async def _history(call: Call, since: int, until: int | None) -> list[dict[str, Any]]:
    now = time.time_ns()
    end = min(until, now) if until is not None else now
    target = f"/events?since={_stamp(since)}&until={_stamp(end)}"

    async def ask(node: ClusterNode) -> list[dict[str, Any]]:
        response = await node.request("GET", target, timeout=10)
        try:
            await response.raise_for_status()
            return [with_node(event, node) async for event in response.lines()]
        finally:
            response.close()

    got = await fanout.answers(call.cluster.view.healthy, ask)
    return sorted((e for _, events in got for e in events), key=lambda e: e.get("timeNano", 0))


def instant(text: str) -> int | None:
    """A time as clients give it, in ns since the epoch: ``1700000000.5``, RFC 3339; None if empty."""
    if not text:
        return None
    seconds, _, fraction = text.partition(".")
    if seconds.lstrip("-").isdigit() and (not fraction or fraction.isdigit()):
        return int(seconds) * _NS + int((fraction or "0")[:9].ljust(9, "0"))
    try:
        return int(datetime.fromisoformat(text).timestamp() * _NS)
    except ValueError as exc:
        raise InvalidParameter(f"invalid time: {text}") from exc


def _stamp(ns: int) -> str:
    return f"{ns // _NS}.{ns % _NS:09d}"


def _identity(event: dict[str, Any]) -> tuple[Any, ...]:
    return (
        event.get("timeNano"),
        event.get("Type"),
        event.get("Action"),
        (event.get("Actor") or {}).get("ID"),
        (event.get("node") or {}).get("Id"),
    )


def _named(kind: str) -> Callable[[dict[str, Any], Filters], bool]:
    def holds(event: dict[str, Any], filters: Filters) -> bool:
        actor = event.get("Actor") or {}
        attributes = actor.get("Attributes") or {}
        known = [actor.get("ID", ""), attributes.get("name", "")]
        if kind == "image" and event.get("Type") == "container":
            known = [attributes.get("image", ""), attributes.get("image", "").rpartition(":")[0]]
        elif kind in attributes and event.get("Type") != kind:
            known = [attributes[kind]]
        elif event.get("Type") != kind:
            return False
        return any(k and (k == v or k.startswith(v)) for v in filters.get(kind) for k in known)

    return holds


_HOLDS: dict[str, Callable[[dict[str, Any], Filters], bool]] = {
    **{kind: _named(kind) for kind in _KINDS if kind != "node"},
    "type": lambda e, f: e.get("Type") in f.get("type"),
    "event": lambda e, f: any(
        e.get("Action") == v or str(e.get("Action", "")).startswith(f"{v}:") for v in f.get("event")
    ),
    "label": lambda e, f: f.labels((e.get("Actor") or {}).get("Attributes")),
    "scope": lambda e, f: e.get("scope", "local") in f.get("scope"),
    "daemon": lambda e, f: any(v in (e["node"]["Name"], e["node"]["Id"]) for v in f.get("daemon")),
    "node": lambda e, f: any(v in (e["node"]["Name"], e["node"]["Id"]) for v in f.get("node")),
}


def wanted(event: dict[str, Any], filters: Filters) -> bool:
    """Whether an event passes; a filter that we don't know turns nothing down."""
    return all(_HOLDS[key](event, filters) for key in filters.keys() if key in _HOLDS)  # noqa: SIM118
