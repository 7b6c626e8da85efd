"""The cluster: its view, a monitor for each node, and the scheduler over both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from engine.errdefs import DockyardError
from scheduler import plugins
from scheduler.scheduler import Scheduler
from swarm.cluster.config import ClusterConfig
from swarm.cluster.monitor import Monitor
from swarm.cluster.node import ClusterNode, ContainerRecord
from swarm.cluster.sync import NodeSync
from swarm.cluster.view import View

log = logging.getLogger(__name__)

_CONNECT_TIMEOUT = 3.0
_EXECS_KEPT = 10_000
_SETTLING = 5.0


class ExecHomes:
    """Which node an exec instance was made on, for the last ten thousand made through this manager."""

    def __init__(self) -> None:
        self._homes: dict[str, str] = {}

    def remember(self, exec_id: str, addr: str) -> None:
        """Note it; the oldest are forgotten."""
        self._homes[exec_id] = addr
        while len(self._homes) > _EXECS_KEPT:
            del self._homes[next(iter(self._homes))]

    def get(self, exec_id: str) -> str:
        """The node's address, empty if it is not known."""
        return self._homes.get(exec_id, "")


class Cluster:
    """What the proxy works with. `set_addresses` is fed by the discovery."""

    def __init__(self, config: ClusterConfig) -> None:
        self.config = config
        self.view = View(config.overcommit)
        self.scheduler = Scheduler(
            self.view.index, plugins.filters(config.filters), plugins.strategy(config.strategy)
        )
        self.execs = ExecHomes()
        self._monitors: dict[str, tuple[Monitor, asyncio.Task[None]]] = {}
        self._known = asyncio.Event()
        self._settled = False

    async def set_addresses(self, addresses: Iterable[str]) -> None:
        """Make the nodes be those at `addresses` (host:port or unix://path), in any order."""
        wanted = dict.fromkeys(addresses)
        for addr in [a for a in self._monitors if a not in wanted]:
            await self._remove(addr)
        for addr in wanted:
            if addr not in self._monitors:
                self._add(addr)
        self._known.set()

    def _add(self, addr: str) -> None:
        config = self.config
        try:
            node = ClusterNode(
                addr, config.tls, failure_retry=config.failure_retry, connect_timeout=_CONNECT_TIMEOUT
            )
        except DockyardError as exc:
            log.error("discovery names a node that can't be: %s", exc)
            return
        self.view.nodes[addr] = node
        monitor = Monitor(node, self.view, config)
        self._monitors[addr] = monitor, asyncio.create_task(monitor.run(), name=f"monitor {addr}")

    async def _remove(self, addr: str) -> None:
        monitor, task = self._monitors.pop(addr)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.view.expel(monitor.node)
        await monitor.node.drop_connections()

    async def settled(self) -> None:
        """Until every node has been listed or found unreachable once, or a few seconds are over.

        A manager that has just started would otherwise know of no node, or of some only.
        """
        if self._settled:
            return
        try:
            async with asyncio.timeout(_SETTLING):
                await self._known.wait()
                await asyncio.gather(*(monitor.ready.wait() for monitor, _ in list(self._monitors.values())))
        except TimeoutError:
            pass
        self._settled = True

    async def close(self) -> None:
        """End all monitors and connections."""
        self.view.events.close()
        for addr in list(self._monitors):
            await self._remove(addr)

    def sync(self, node: ClusterNode) -> NodeSync:
        """What fetches from the node."""
        return self._monitors[node.addr][0].sync

    async def refresh(self, node: ClusterNode, *container_ids: str) -> None:
        """Fetch containers now, because somebody changed them; a node that is just lost is no error."""
        try:
            await self.sync(node).containers(container_ids)
        except (DockyardError, KeyError) as exc:
            log.debug("refresh on %s: %s", node.name, exc)

    def container(self, reference: str) -> ContainerRecord:
        """By id, prefix, name, node/name; NotFound."""
        return self.view.containers.find(reference)

    async def json(self, node: ClusterNode, method: str, target: str, **options: Any) -> Any:
        """One request to a node; the decoded answer, or the engine's error."""
        response = await node.request(method, target, **options)
        try:
            await response.raise_for_status()
            return await response.json()
        finally:
            response.close()
