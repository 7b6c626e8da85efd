"""Watching one node: connect, list, follow its events, and notice when it dies.

    connect ──> subscribe to events ──> full listing ──> Healthy
       ^                                                   │  pings, events, refreshes side by side
       └────────── wait a moment <── lost <── failures in a row, or the event stream can't be had

The subscription comes before the listing, so nothing that happens meanwhile is missed.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections import deque
from collections.abc import Coroutine
from typing import Any

from engine.client import Response
from engine.errdefs import DockyardError, NotFound, Unavailable
from swarm.cluster.config import ClusterConfig
from swarm.cluster.convert import engine_facts
from swarm.cluster.events import node_event, with_node
from swarm.cluster.node import ClusterNode, NodeState
from swarm.cluster.sync import NodeSync
from swarm.cluster.view import View

log = logging.getLogger(__name__)

_RETRY_MAX = 10.0
_SPECS_EVERY = 300.0
_CONNECT_TIMEOUT = 10.0
#: Actions of a container that change nothing we keep.
_IDLE_ACTIONS = (
    "exec_",
    "attach",
    "detach",
    "top",
    "resize",
    "archive-path",
    "extract-to-dir",
    "copy",
    "export",
)


class Monitor:
    """The tasks around one node. `run` ends only by cancellation."""

    def __init__(self, node: ClusterNode, view: View, config: ClusterConfig) -> None:
        self.node = node
        self.view = view
        self.sync = NodeSync(node, view)
        self.ready = asyncio.Event()
        self._config = config
        self._dirty: set[str] = set()
        self._dirty_kinds: set[str] = set()
        self._wake = asyncio.Event()
        self._last_event = 0
        self._recent: deque[tuple[int, str, str, str]] = deque(maxlen=64)

    async def run(self) -> None:
        """Keep the node in the view for as long as it is wanted."""
        attempt = 0
        while True:
            try:
                events = await self._connect()
                attempt = 0
                self.ready.set()
                try:
                    await self._serve(events)
                finally:
                    events.close()
            except Exception as exc:  # whatever an engine answers, the others must be watched on
                await self._lost(exc)
            self.ready.set()
            delay = min(self._config.ping_interval * 2**attempt, _RETRY_MAX)
            attempt = min(attempt + 1, 8)
            await asyncio.sleep(delay * random.uniform(0.8, 1.0))

    async def _connect(self) -> Response:
        node = self.node
        async with _deadline(_CONNECT_TIMEOUT, node):
            info = await node.client.json("GET", "/info")
            version = await node.client.json("GET", "/version")
            facts = engine_facts(info, version, await _address(node))
            if node.id and node.id != facts.id:
                self.view.forget_identity(node)
            node.facts = facts
            self.view.admit(node)
            events = await node.client.request("GET", "/events")
        try:
            await events.raise_for_status()
            await self.sync.everything(inspect_all=True)
            await self._remove_leftovers()
        except BaseException:
            events.close()
            raise
        was = node.state
        node.state, node.error, node.failures = NodeState.HEALTHY, "", 0
        self.view.publish_facts(node)
        if was is not NodeState.HEALTHY:
            log.info("node %s (%s) is healthy", node.name, node.addr)
            action = "engine_connect" if was is NodeState.PENDING else "engine_reconnect"
            self.view.events.publish(node_event(action, node))
        return events

    async def _remove_leftovers(self) -> None:
        """What the node made after its creates were given up."""
        for record in self.view.take_abandoned(self.node):
            log.info("removing %s from %s: its create was given up", record.name, self.node.name)
            try:
                await self.node.client.json("DELETE", f"/containers/{record.id}?force=1&v=1")
            except NotFound:
                pass
            self.sync.drop(record.id)

    async def _serve(self, events: Response) -> None:
        """Until the first of the jobs fails."""
        await _first_failure(self._follow(events), self._ping(), self._refresh(), self._fetch_dirty())

    async def _lost(self, exc: Exception) -> None:
        node = self.node
        node.error = str(exc)
        if not isinstance(exc, (DockyardError, OSError)):
            log.error("node %s answered what we don't understand", node.addr, exc_info=exc)
        if node.state is NodeState.HEALTHY:
            log.warning("node %s (%s) is lost: %s", node.name, node.addr, exc)
            node.state = NodeState.UNHEALTHY
            self.view.publish_facts(node)
            self.view.events.publish(node_event("engine_disconnect", node))
        else:
            log.debug("node %s: %s", node.addr, exc)
        await node.drop_connections()

    # The jobs

    async def _ping(self) -> None:
        """Ask for a sign of life each interval; an answer must come within one."""
        interval = self._config.ping_interval
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            try:
                await self.node.client.ping(timeout=interval)
            except DockyardError as exc:
                self._note_failure(exc)
            else:
                if self.node.failures:
                    self.node.failures, self.node.error = 0, ""
                    self.view.publish_facts(self.node)
            await asyncio.sleep(max(0.0, begun + interval - loop.time()))

    def _note_failure(self, exc: DockyardError) -> None:
        node = self.node
        node.failures += 1
        node.error = str(exc)
        if node.failures >= self._config.failure_retry:
            raise Unavailable(str(exc)) from exc
        self.view.publish_facts(node)

    async def _follow(self, events: Response) -> None:
        """Take in the event stream; when it breaks off, open it again where it stopped.

        An engine that restarts is away for a moment only: whether it is dead the pings decide.
        """
        while True:
            try:
                async for event in events.lines():
                    self._take(event)
            except Unavailable as exc:
                log.debug("node %s: event stream: %s", self.node.name, exc)
            finally:
                events.close()
            events = await self._reopen()

    async def _reopen(self) -> Response:
        seconds, rest = divmod(self._last_event, 10**9)
        target = f"/events?since={seconds}.{rest:09d}" if self._last_event else "/events"
        while True:
            await asyncio.sleep(self._config.ping_interval / 4)
            try:
                events = await self.node.client.request("GET", target, timeout=_CONNECT_TIMEOUT)
                try:
                    await events.raise_for_status()
                    await self.sync.everything()
                except BaseException:
                    events.close()
                    raise
                return events
            except Unavailable as exc:
                log.debug("node %s: event stream: %s", self.node.name, exc)

    def _take(self, event: dict[str, Any]) -> None:
        when = int(event.get("timeNano") or 0)
        kind, action = event.get("Type", ""), event.get("Action", "")
        actor = event.get("Actor") or {}
        mark = (when, kind, action, actor.get("ID", ""))
        if mark in self._recent:
            return  # told again by a stream that was opened where the last one ended
        self._recent.append(mark)
        self._last_event = max(when, self._last_event)
        if kind == "container" and not action.startswith(_IDLE_ACTIONS):
            if action == "destroy":
                self.sync.drop(actor.get("ID", ""))
            else:
                self._dirty.add(actor.get("ID", ""))
        elif kind in ("image", "network", "volume"):
            self._dirty_kinds.add(kind)
            container_id = (actor.get("Attributes") or {}).get("container", "")
            if container_id in self.node.containers:
                self._dirty.add(container_id)
        self._wake.set()
        self.view.events.publish(with_node(event, self.node))

    async def _fetch_dirty(self) -> None:
        """Fetch what events named; those that come meanwhile are fetched together after."""
        fetch = {"image": self.sync.images, "network": self.sync.networks, "volume": self.sync.volumes}
        while True:
            await self._wake.wait()
            self._wake.clear()
            ids, self._dirty = self._dirty, set()
            kinds, self._dirty_kinds = self._dirty_kinds, set()
            try:
                if ids:
                    await self.sync.containers(ids)
                    await self._remove_leftovers()
                for kind in sorted(kinds):
                    await fetch[kind]()
            except DockyardError as exc:
                log.debug("node %s: %s", self.node.name, exc)
                self._dirty |= ids
                self._dirty_kinds |= kinds
                self._wake.set()
                await asyncio.sleep(self._config.ping_interval)

    async def _refresh(self) -> None:
        """The safety net: a full listing now and then, each container inspected every five minutes."""
        config = self._config
        loop = asyncio.get_running_loop()
        inspected = loop.time()
        while True:
            await asyncio.sleep(random.uniform(config.refresh_min, config.refresh_max))
            inspect_all = loop.time() - inspected > _SPECS_EVERY
            try:
                await self.sync.everything(inspect_all=inspect_all)
                info = await self.node.client.json("GET", "/info", timeout=_CONNECT_TIMEOUT)
                version = await self.node.client.json("GET", "/version", timeout=_CONNECT_TIMEOUT)
                facts = engine_facts(info, version, self.node.facts.ip)
            except DockyardError as exc:
                self.node.error = str(exc)
                continue
            if facts.id != self.node.id:
                raise Unavailable(f"the engine at {self.node.addr} has another id now")
            self.node.facts = facts
            self.view.publish_facts(self.node)
            inspected = loop.time() if inspect_all else inspected


async def _first_failure(*jobs: Coroutine[Any, Any, None]) -> None:
    """Run endless jobs side by side; when one fails, end the others and raise its exception."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _deadline:
    """A time limit whose end is Unavailable."""

    def __init__(self, seconds: float, node: ClusterNode) -> None:
        self._timeout = asyncio.timeout(seconds)
        self._text = f"the engine at {node.addr} did not answer within {seconds:g} s"

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, kind: Any, exc: Any, trace: Any) -> None:
        try:
            await self._timeout.__aexit__(kind, exc, trace)
        except TimeoutError as error:
            raise Unavailable(self._text) from error


async def _address(node: ClusterNode) -> str:
    """The IP address that the node was reached at; a unix socket is this host."""
    endpoint = node.client.endpoint
    if endpoint.scheme == "unix":
        return "127.0.0.1"
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except socket.gaierror as exc:
        raise Unavailable(f"cannot resolve {endpoint.host}: {exc}") from exc
    return str(found[0][4][0])
