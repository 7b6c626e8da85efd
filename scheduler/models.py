"""What the scheduler looks at: nodes, the containers on them, and a request for one more.

Units: CPUs are billionths of a core (docker's NanoCpus), memory is bytes. Names have no leading slash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NANO = 1_000_000_000

#: Addresses that stand for every address of a node.
WILDCARDS = frozenset({"", "0.0.0.0", "::"})


@dataclass(frozen=True, slots=True)
class Port:
    """A port taken on a node: ``Port("tcp", 80)`` on all addresses, ``Port("tcp", 80, "10.0.0.1")`` on one.

    host_network: taken by a container that shares the node's network, as against a published port.
    """

    proto: str
    number: int
    ip: str = ""
    host_network: bool = False

    @property
    def wildcard(self) -> bool:
        """Whether it is taken on every address."""
        return self.ip in WILDCARDS

    def __str__(self) -> str:
        where = "" if self.wildcard else f"{self.ip}:"
        return f"{where}{self.number}/{self.proto}"


@dataclass(frozen=True, slots=True)
class PortRequest:
    """A port that must be free: any one of `first`..`last` (equal for a single port)."""

    proto: str
    first: int
    last: int
    ip: str = ""
    host_network: bool = False

    @property
    def choices(self) -> tuple[Port, ...]:
        """The ports of which one will do."""
        return tuple(
            Port(self.proto, n, self.ip, self.host_network) for n in range(self.first, self.last + 1)
        )

    def __str__(self) -> str:
        where = "" if self.ip in WILDCARDS else f"{self.ip}:"
        span = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{where}{span}/{self.proto}"


@dataclass(frozen=True, slots=True)
class Container:
    """A container that lies on a node, running, stopped or only reserved."""

    id: str
    name: str
    image: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    nano_cpus: int = 0
    memory: int = 0
    ports: tuple[Port, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a node says of itself.

    labels: the engine's labels and the facts that constraints may name (storagedriver, kernelversion,
        operatingsystem, ostype).
    images: every name an image there goes by: id, repo:tag, repo.
    health: 0 (unhealthy) to 100.
    """

    id: str
    name: str
    nano_cpus: int = 0
    memory: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    images: frozenset[str] = frozenset()
    health: int = 100


@dataclass(frozen=True, slots=True)
class Request:
    """A container to be placed. The expression lists hold terms as users write them: ``zone==eu*``.

    depends_on: containers that must be on the same node, as (why, name): ("volumes-from", "db").
    avoid: ids of nodes that must not be chosen (they just failed this very request).
    """

    name: str = ""
    image: str = ""
    nano_cpus: int = 0
    memory: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[PortRequest, ...] = ()
    depends_on: tuple[tuple[str, str], ...] = ()
    constraints: tuple[str, ...] = ()
    affinities: tuple[str, ...] = ()
    whitelists: tuple[str, ...] = ()
    avoid: frozenset[str] = frozenset()

    def as_container(self, container_id: str) -> Container:
        """The container this request becomes: what a reservation holds until it exists."""
        ports = tuple(r.choices[0] for r in self.ports if r.first == r.last)
        return Container(container_id, self.name, self.image, self.labels, self.nano_cpus, self.memory, ports)


@dataclass(frozen=True, slots=True)
class Placement:
    """The decision: which node."""

    node_id: str
    node_name: str
