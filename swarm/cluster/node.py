"""One engine as the manager knows it: its state, its facts, what lies on it.

Pending ──connected and listed──> Healthy ──failures in a row──> Unhealthy
   │                                 ^                               │
   └── can't be reached yet,         └────── answers again ──────────┘
       or another node has its id
Disconnected: no longer in the discovery; it is on its way out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from engine.api.versions import API_VERSION, parse
from engine.client import DockerClient, Response, TLSConfig
from engine.errdefs import Unavailable
from scheduler.models import NANO, Container, NodeFacts
from swarm.cluster.images import image_names


class NodeState(StrEnum):
    """As `docker info` shows it."""

    PENDING = "Pending"
    HEALTHY = "Healthy"
    UNHEALTHY = "Unhealthy"
    DISCONNECTED = "Disconnected"


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What the engine says of itself (`/info`, `/version`). memory: bytes. ip: where it was reached."""

    id: str = ""
    name: str = ""
    ip: str = ""
    cpus: int = 0
    memory: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    server_version: str = ""
    api_version: str = API_VERSION
    min_api_version: str = "1.24"
    architecture: str = ""
    kernel: str = ""
    system: str = ""


@dataclass(slots=True)
class ContainerRecord:
    """A container on a node: `summary` as `/containers/json` lists it there, `state` as inspect tells it."""

    node: ClusterNode
    summary: dict[str, Any]
    state: dict[str, Any]
    placed: Container
    swarm_id: str = ""

    @property
    def id(self) -> str:
        """The engine's id of it."""
        return self.placed.id

    @property
    def name(self) -> str:
        """Without a slash and without the node."""
        return self.placed.name


class ClusterNode:
    """State that the monitor writes and everyone reads; requests go through `request`."""

    def __init__(
        self, addr: str, tls: TLSConfig | None, *, failure_retry: int, connect_timeout: float
    ) -> None:
        self.addr = addr
        self.client = DockerClient(addr, tls, connect_timeout=connect_timeout)
        self.state = NodeState.PENDING
        self.error = ""
        self.failures = 0
        self.updated_at = 0.0
        self.facts = EngineFacts()
        self.containers: dict[str, ContainerRecord] = {}
        self.images: list[dict[str, Any]] = []
        self.networks: list[dict[str, Any]] = []
        self.volumes: list[dict[str, Any]] = []
        self.lost = asyncio.Event()
        self._failure_retry = failure_retry

    @property
    def id(self) -> str:
        """The engine's id, empty until it has answered once."""
        return self.facts.id

    @property
    def name(self) -> str:
        """The engine's host name, its address until it has answered once."""
        return self.facts.name or self.addr

    @property
    def healthy(self) -> bool:
        """Whether requests may be sent to it."""
        return self.state is NodeState.HEALTHY

    @property
    def health(self) -> int:
        """0 to 100: each failure in a row takes its share."""
        if not self.healthy:
            return 0
        return max(1, 100 - self.failures * 100 // self._failure_retry)

    def scheduler_facts(self) -> NodeFacts:
        """The node as the scheduler sees it."""
        facts = self.facts
        return NodeFacts(
            id=facts.id,
            name=facts.name,
            nano_cpus=facts.cpus * NANO,
            memory=facts.memory,
            labels=facts.labels,
            images=image_names(self.images),
            health=self.health,
        )

    def describe(self) -> dict[str, Any]:
        """The `Node` object that inspect adds."""
        facts = self.facts
        return {
            "ID": facts.id,
            "IP": facts.ip,
            "Addr": self.addr,
            "Name": facts.name,
            "Cpus": facts.cpus,
            "Memory": facts.memory,
            "Labels": dict(facts.labels),
        }

    def version_for(self, wanted: tuple[int, int]) -> str:
        """The API version to speak to this node on behalf of a client that speaks `wanted`."""
        newest, oldest = parse(self.facts.api_version), parse(self.facts.min_api_version)
        major, minor = max(min(wanted, newest), oldest)
        return f"{major}.{minor}"

    def require(self) -> None:
        """Unavailable unless the node is healthy; the message tells what is known."""
        if not self.healthy:
            reason = f": {self.error}" if self.error else ""
            raise Unavailable(f"node {self.name} ({self.addr}) is {self.state.lower()}{reason}")

    async def request(
        self,
        method: str,
        target: str,
        *,
        version: tuple[int, int] | None = None,
        data: Any = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Response:
        """One request. target: path and query, encoded. Unavailable if the node is down or goes down."""
        self.require()
        prefix = f"/v{self.version_for(version)}" if version else ""
        return await self.client.request(
            method, prefix + target, data=data, json=json, headers=headers, timeout=timeout
        )

    async def drop_connections(self) -> None:
        """Let every request in flight fail: the node is taken for dead and would keep them waiting."""
        self.lost.set()
        self.lost = asyncio.Event()
        await self.client.close()

    def touch(self) -> None:
        """Note that what is known of the node is of now."""
        self.updated_at = time.time()
