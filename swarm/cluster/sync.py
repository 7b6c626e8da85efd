"""Fetching what lies on a node into the view.

Several fetches of one container may be under way at once (an event came, a client changed it, a full
listing runs), and their answers may arrive in any order. Each fetch draws a ticket when it begins; an
answer counts only if nothing with a later ticket has been applied to that container. What changes
after an answer was made on the engine causes another event, so nothing is lost by this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from engine.errdefs import NotFound
from swarm.cluster.convert import SWARM_ID, placed_container
from swarm.cluster.node import ClusterNode, ContainerRecord
from swarm.cluster.view import View

_INSPECTS_AT_ONCE = 16
_TIMEOUT = 30.0
_SAME = ("Names", "State", "Image", "Ports", "NetworkSettings")


class NodeSync:
    """Fetches from one node. All methods raise Unavailable when it can't be reached."""

    def __init__(self, node: ClusterNode, view: View) -> None:
        self.node = node
        self.view = view
        self._ticket = 0
        self._applied: dict[str, int] = {}
        self._inspects = asyncio.Semaphore(_INSPECTS_AT_ONCE)

    async def everything(self, *, inspect_all: bool = False) -> None:
        """A full listing. Containers that look unchanged are inspected only if asked for."""
        ticket = self._draw()
        listed, _ = await asyncio.gather(self._list({"all": "1"}), self.belongings())
        summaries = {s["Id"]: s for s in listed}
        for container_id in [i for i in self.node.containers if i not in summaries]:
            if self._applied.get(container_id, 0) < ticket:
                self.view.drop_container(self.node, container_id)
        stale = [s for s in listed if inspect_all or self._changed(s)]
        await asyncio.gather(*(self._inspect(s) for s in stale))
        for summary in listed:
            record = self.node.containers.get(summary["Id"])
            if record is not None:
                record.summary = summary
        self._applied = {i: t for i, t in self._applied.items() if i in self.node.containers}
        self.node.touch()

    async def belongings(self) -> None:
        """Images, networks and volumes."""
        await asyncio.gather(self.images(), self.networks(), self.volumes())

    async def containers(self, ids: Iterable[str]) -> None:
        """The containers of these ids: changed, new or gone."""
        wanted = list(dict.fromkeys(ids))
        ticket = self._draw()
        listed = await self._list({"all": "1", "filters": msgspec.json.encode({"id": wanted}).decode()})
        summaries = {s["Id"]: s for s in listed}
        for container_id in wanted:
            if container_id not in summaries:
                self._drop(container_id, ticket)
        await asyncio.gather(*(self._inspect(summaries[i]) for i in wanted if i in summaries))
        self.node.touch()

    def drop(self, container_id: str) -> None:
        """The container is gone."""
        self._drop(container_id, self._draw())

    async def images(self) -> None:
        """What the affinity filter and image routes look at."""
        self.node.images = await self._get("/images/json") or []
        self.view.publish_facts(self.node)

    async def networks(self) -> None:
        """All networks of the engine."""
        self.node.networks = await self._get("/networks") or []

    async def volumes(self) -> None:
        """All volumes of the engine."""
        self.node.volumes = (await self._get("/volumes") or {}).get("Volumes") or []

    async def _inspect(self, summary: dict[str, Any]) -> None:
        container_id = summary["Id"]
        async with self._inspects:
            ticket = self._draw()
            try:
                inspect = await self._get(f"/containers/{quote(container_id, safe='')}/json")
            except NotFound:
                self._drop(container_id, ticket)
                return
        if self._apply(container_id, ticket):
            self.view.put_container(self._record(summary, inspect))

    def _record(self, summary: dict[str, Any], inspect: Mapping[str, Any]) -> ContainerRecord:
        placed = placed_container(inspect, self.node.facts.cpus)
        summary["State"] = inspect["State"].get("Status", summary.get("State"))
        return ContainerRecord(
            self.node, summary, dict(inspect["State"]), placed, placed.labels.get(SWARM_ID, "")
        )

    def _changed(self, summary: Mapping[str, Any]) -> bool:
        record = self.node.containers.get(summary["Id"])
        return record is None or any(record.summary.get(key) != summary.get(key) for key in _SAME)

    def _draw(self) -> int:
        self._ticket += 1
        return self._ticket

    def _apply(self, container_id: str, ticket: int) -> bool:
        if self._applied.get(container_id, 0) > ticket:
            return False
        self._applied[container_id] = ticket
        return True

    def _drop(self, container_id: str, ticket: int) -> None:
        if self._apply(container_id, ticket):
            self.view.drop_container(self.node, container_id)

    async def _list(self, params: Mapping[str, str]) -> list[dict[str, Any]]:
        listed = await self._get("/containers/json", params)
        return [s for s in listed or () if s.get("Id")]

    async def _get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        return await self.node.client.json("GET", path, params=params, timeout=_TIMEOUT)
