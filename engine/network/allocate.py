"""Deciding a container's place: which networks, which addresses, names, interfaces and ports.

Nothing here touches the kernel but the sockets that hold host ports. What is decided is written
down before anybody acts on it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import msgspec

from engine.driverapi.network import PortBinding
from engine.errdefs import Forbidden, InvalidParameter, NotFound, SystemFailure
from engine.network import ipam, ports
from engine.network.model import BRIDGE, DEFAULT, HOST, NONE, ContainerNet, Endpoint, Network, SandboxRecord
from engine.network.store import NetworkStore

Settings = Mapping[str, Any]


class Allocator:
    """`removing`: ids of networks on their way out, which nobody may join any more."""

    def __init__(self, store: NetworkStore, held: ports.PortAllocator, *, default_ip: str) -> None:
        self._store = store
        self._ports = held
        self._default_ip = default_ip
        self.removing: set[str] = set()

    def allocate(self, container: ContainerNet, path: str) -> tuple[SandboxRecord, list[Endpoint]]:
        """Decide on everything and write it down; on an error nothing is kept."""
        with self._store.lock:
            endpoints: list[Endpoint] = []
            for network, settings in self.wanted(container):
                name = f"eth{len(endpoints)}"
                endpoints.append(self.endpoint(network, container, settings, name))
            gateway = self.gateway(endpoints)
            record = SandboxRecord(secrets.token_hex(32), container, path, gateway.id if gateway else "")
            record = self.with_ports(record, gateway)
            try:
                self._store.put(record, endpoints)
            except BaseException:
                self._ports.release(record.ports)
                raise
        return record, endpoints

    def wanted(self, container: ContainerNet) -> list[tuple[Network, Settings]]:
        """The networks a container asks for, that of its mode first."""
        mode = self.mode_network(container.mode)
        found: dict[str, tuple[Network, Settings]] = {mode.id: (mode, {})}
        for ref, settings in container.endpoints.items():
            network = mode if ref in (DEFAULT, container.mode) else self._store.resolve(ref)
            found[network.id] = (network, dict(settings or {}))
        if len(found) > 1 and mode.name in (HOST, NONE):
            names = sorted(network.name for network, _ in found.values())
            raise InvalidParameter(f"container cannot be connected to network endpoints: {', '.join(names)}")
        return list(found.values())

    def mode_network(self, mode: str) -> Network:
        """The network that HostConfig.NetworkMode names; without a default network, `none`."""
        if mode in ("", DEFAULT, BRIDGE):
            return self._store.find(BRIDGE) or self._store.resolve(NONE)
        return self._store.resolve(mode)

    def endpoint(
        self, network: Network, container: ContainerNet, settings: Settings, interface: str
    ) -> Endpoint:
        """A new endpoint with an address of its own; the caller holds the lock and writes it down."""
        if network.id in self.removing:
            raise NotFound(f"network {network.name} not found")
        addresses, mac = self._address(network, settings)
        asked = {key: value for key, value in settings.items() if value is not None}
        names: tuple[str, ...] = ()
        if network.has_dns:
            short = container.id[:12]
            aliases = list(dict.fromkeys([*(settings.get("Aliases") or []), short]))
            asked["Aliases"] = aliases
            names = tuple(dict.fromkeys([container.name, *aliases, *filter(None, [container.hostname])]))
        return Endpoint(
            id=secrets.token_hex(32),
            network_id=network.id,
            container_id=container.id,
            container_name=container.name,
            addresses=addresses,
            mac=mac,
            interface=interface if addresses else "",
            dns_names=names,
            settings=asked,
        )

    def _address(self, network: Network, settings: Settings) -> tuple[tuple[str, ...], str]:
        fixed = str((settings.get("IPAMConfig") or {}).get("IPv4Address") or "")
        if not network.pools:
            if fixed:
                raise InvalidParameter(f"network {network.name} has no addresses to give")
            return (), ""
        pool = network.pools[0]
        subnet = IPv4Network(pool.subnet)
        taken = self._store.leases(network.id) | reserved(network)
        if fixed:
            if not pool.given or network.predefined:
                where = (
                    "on user defined networks only"
                    if network.predefined
                    else "only when connecting to networks with user configured subnets"
                )
                raise InvalidParameter(
                    f"invalid config for network {network.name}: invalid endpoint settings:\n"
                    f"user specified IP address is supported {where}"
                )
            address = ipam.claim_address(subnet, ipam.parse_address(fixed), taken)
        else:
            address = ipam.pick_address(subnet, IPv4Network(pool.range or pool.subnet), taken)
        mac = str(settings.get("MacAddress") or "").lower().replace("-", ":") or ipam.mac_of(address)
        check_mac(mac)
        return (f"{address}/{subnet.prefixlen}",), mac

    def gateway(self, endpoints: Iterable[Endpoint]) -> Endpoint | None:
        """The endpoint that gets the default route and carries the ports: by priority, then by name."""
        candidates = []
        for endpoint in endpoints:
            network = self._store.find(endpoint.network_id)
            if network is not None and endpoint.addresses and not network.internal:
                priority = int(endpoint.settings.get("GwPriority") or 0)
                candidates.append((-priority, network.name, endpoint))
        return min(candidates, key=lambda item: item[:2])[2] if candidates else None

    def with_ports(self, record: SandboxRecord, gateway: Endpoint | None) -> SandboxRecord:
        """The record with host ports, taken, if it has a place where they can be published."""
        container = record.container
        if gateway is None or record.ports:
            return record
        wishes = ports.requests(
            container.exposed, container.port_bindings, container.publish_all, self._default_ip
        )
        if not wishes:
            return record
        try:
            taken = self._ports.allocate(wishes)
        except SystemFailure as exc:
            raise SystemFailure(f"{port_failure(container, gateway)}: {exc}") from exc
        return msgspec.structs.replace(record, ports=taken)

    def release(self, bindings: Iterable[PortBinding]) -> None:
        """Give host ports back."""
        self._ports.release(bindings)

    def check_connectable(self, record: SandboxRecord, network: Network) -> None:
        """Forbidden where a running container may not join another network."""
        mode = record.container.mode
        if mode == HOST or network.name == HOST:
            raise Forbidden(
                "cannot connect container to host network - container must be created in host network mode"
            )
        if mode == NONE or network.name == NONE:
            raise Forbidden(
                "container cannot be connected to multiple networks with one of the networks "
                "in private (none) mode"
            )
        if self._store.endpoint(network.id, record.container_id) is not None:
            raise Forbidden(
                f"endpoint with name {record.container.name} already exists in network {network.name}"
            )


def port_failure(container: ContainerNet, endpoint: Endpoint) -> str:
    """How dockerd begins the message about a port that can't be published."""
    return f"driver failed programming external connectivity on endpoint {container.name} ({endpoint.id})"


def reserved(network: Network) -> set[int]:
    """Addresses of a network that no container may have."""
    found = set()
    for pool in network.pools:
        found.add(int(IPv4Address(pool.gateway)))
        found.update(int(IPv4Address(text)) for text in pool.auxiliary.values())
    return found


def check_mac(text: str) -> None:
    """InvalidParameter if it is no unicast MAC address."""
    parts = text.split(":")
    try:
        valid = len(parts) == 6 and all(len(part) == 2 and int(part, 16) >= 0 for part in parts)
    except ValueError:
        valid = False
    if not valid or int(parts[0], 16) & 1:
        raise InvalidParameter(f"invalid MAC address: {text}")


def next_interface(endpoints: Iterable[Endpoint]) -> str:
    """The first ethN that the container does not have yet."""
    used = {endpoint.interface for endpoint in endpoints}
    number = 0
    while f"eth{number}" in used:
        number += 1
    return f"eth{number}"
