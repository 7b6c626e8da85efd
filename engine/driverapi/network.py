"""Contract of a network driver: it makes a kind of network, and a container's place on one.

Vocabulary
    network     a subnet or segment that containers join; the controller owns its record and its
                address pool, the driver its kernel objects (a bridge, rules).
    endpoint    one container's interface on one network.
    sandbox     a container's network namespace, a file below <exec-root>/netns.

Lifecycle::

    create_network(net) ──> join(net, endpoint, sandbox) … leave(net, endpoint) ──> delete_network(net)

All methods are idempotent: called again after a crash they finish what was begun, and removing what
is gone is no error. They block and run in worker threads of the controller: creating and deleting
one network never overlap with anything else on it, joins and leaves of different endpoints may.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class PortBinding:
    """A published port. host_ip "" is every address; proto is tcp, udp or sctp."""

    container_port: int
    proto: str
    host_ip: str
    host_port: int


@dataclass(frozen=True, slots=True)
class Subnet:
    """One address range of a network, in CIDR notation, with its gateway."""

    subnet: str
    gateway: str


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """What a driver needs to know of a network. options: docker's `com.docker.network.*` keys."""

    id: str
    name: str
    subnets: tuple[Subnet, ...] = ()
    internal: bool = False
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """A container's place on a network. addresses: CIDR notation. interface: its name inside."""

    id: str
    container_id: str
    addresses: tuple[str, ...]
    mac_address: str
    interface: str = "eth0"
    default_route: bool = True
    ports: tuple[PortBinding, ...] = ()


class NetworkDriver(Protocol):
    """One kind of network. Constructed as ``Driver(context)``, context an engine.network object."""

    name: str

    def create_network(self, network: NetworkSpec) -> None:
        """Make the kernel objects of a network."""
        ...

    def delete_network(self, network: NetworkSpec) -> None:
        """Remove them."""
        ...

    def join(self, network: NetworkSpec, endpoint: EndpointSpec, sandbox: Path) -> None:
        """Give the sandbox an interface on the network, up and addressed, and publish its ports."""
        ...

    def leave(self, network: NetworkSpec, endpoint: EndpointSpec, *, ending: bool = False) -> None:
        """Take the interface and the published ports away.

        ending: the sandbox itself goes next; the interface may be left to go with it, so long as
        it passes no packet any more.
        """
        ...


@runtime_checkable
class Sweeper(Protocol):
    """Optional ability: finding interfaces that nobody accounts for any more."""

    def sweep(self, network: NetworkSpec, live: Callable[[], Collection[str]]) -> None:
        """Delete interfaces of the network whose endpoint ids are not in `live()`.

        Endpoints are written down before `join`, so `live` is called after the interfaces are listed.
        """
        ...
