"""What the controller is asked and what it answers, and the records it keeps of both.

ContainerNet ──attach──> Sandbox              (what the container's start needs, what inspect shows)
Network 1 ──── n Endpoint n ──── 1 SandboxRecord
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from engine.driverapi.network import EndpointSpec, NetworkSpec, PortBinding, Subnet

# HostConfig.NetworkMode values that are drivers' own; anything else names a network.
HOST, NONE, BRIDGE, DEFAULT, CONTAINER = "host", "none", "bridge", "default", "container:"


@dataclass(frozen=True)
class ContainerNet:
    """What the network needs to know of a container, in the API's own shapes.

    mode: HostConfig.NetworkMode: "", default, bridge, host, none, ``container:<id>`` (a full id), or
        a network's name or id.
    endpoints: NetworkingConfig.EndpointsConfig: network name or id → EndpointSettings or None.
    exposed: keys of Config.ExposedPorts (``80/tcp``). port_bindings: HostConfig.PortBindings.
    dns, dns_search, dns_options, extra_hosts (``name:ip``): HostConfig's; empty means the daemon's.
    links: HostConfig.Links, ``<container id or name>:alias``.
    """

    id: str
    name: str
    hostname: str = ""
    domainname: str = ""
    mode: str = DEFAULT
    endpoints: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    exposed: tuple[str, ...] = ()
    port_bindings: Mapping[str, list[dict[str, str]] | None] = field(default_factory=dict)
    publish_all: bool = False
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sandbox:
    """A container's place on the network, as its start and `inspect` need it.

    path: the namespace to join, None for the host's. networks, ports: NetworkSettings.Networks and
    .Ports. hosts, resolv_conf: texts of /etc/hosts and /etc/resolv.conf.
    """

    id: str
    key: str
    path: Path | None
    networks: dict[str, dict[str, Any]]
    ports: dict[str, list[dict[str, str]] | None]
    hosts: str
    resolv_conf: str


class IpamPool(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of IPAM.Config. range: the part of the subnet that addresses are taken from."""

    subnet: str
    gateway: str
    range: str = ""
    auxiliary: dict[str, str] = {}
    given: bool = False


class Network(msgspec.Struct, frozen=True, omit_defaults=True):
    """A network's record. driver: bridge, host, null. created: RFC 3339 with nanoseconds.

    `given` of a pool tells that the user chose the subnet, which allows fixed addresses.
    """

    id: str
    name: str
    driver: str
    created: str
    pools: tuple[IpamPool, ...] = ()
    internal: bool = False
    attachable: bool = False
    ipv6: bool = False
    options: dict[str, str] = {}
    labels: dict[str, str] = {}
    ipam_driver: str = "default"
    ipam_options: dict[str, str] | None = None
    config_only: bool = False

    @property
    def spec(self) -> NetworkSpec:
        """What the driver is told."""
        subnets = tuple(Subnet(pool.subnet, pool.gateway) for pool in self.pools)
        return NetworkSpec(self.id, self.name, subnets, self.internal, self.options)

    @property
    def predefined(self) -> bool:
        """Whether it is always there."""
        return self.name in (BRIDGE, HOST, NONE)

    @property
    def has_dns(self) -> bool:
        """Whether containers on it find each other by name."""
        return bool(self.pools) and not self.predefined


class Endpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """A container's place on one network. addresses: CIDR notation. settings: what the user asked for."""

    id: str
    network_id: str
    container_id: str
    container_name: str
    addresses: tuple[str, ...] = ()
    mac: str = ""
    interface: str = ""
    dns_names: tuple[str, ...] = ()
    settings: dict[str, Any] = {}

    @property
    def ipv4(self) -> str:
        """Its IPv4 address without the prefix length, or ""."""
        return self.addresses[0].partition("/")[0] if self.addresses else ""

    def spec(self, *, default_route: bool = False, ports: tuple[PortBinding, ...] = ()) -> EndpointSpec:
        """What the driver is told."""
        return EndpointSpec(
            id=self.id,
            container_id=self.container_id,
            addresses=self.addresses,
            mac_address=self.mac,
            interface=self.interface,
            default_route=default_route,
            ports=ports,
        )


class SandboxRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One container's sandbox. path: "" for the host's namespace. gateway: the endpoint with the
    default route, which also carries the published ports."""

    id: str
    container: ContainerNet
    path: str
    gateway: str = ""
    ports: tuple[PortBinding, ...] = ()

    @property
    def container_id(self) -> str:
        """Whose it is."""
        return self.container.id
