"""Doing what was decided: namespaces, interfaces, rules. All of it blocks; threads of the controller.

Every method may be repeated, and removing what is gone is no error.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from zlib import crc32

from engine.driverapi import registry
from engine.driverapi.network import NetworkDriver, PortBinding, Sweeper
from engine.errdefs import DockyardError, NotFound
from engine.network.config import NetworkConfig
from engine.network.context import DriverContext
from engine.network.firewall import Firewall
from engine.network.model import Endpoint, Network, SandboxRecord
from engine.network.sandboxes import Sandboxes, set_default_route
from engine.network.store import NetworkStore

log = logging.getLogger(__name__)


class Fabric:
    """The kernel's side of the records."""

    def __init__(self, config: NetworkConfig, store: NetworkStore) -> None:
        self._store = store
        # Daemons side by side differ in their bridge, or in their exec-root if they have none.
        own = f"none-{crc32(bytes(config.exec_root)):08x}" if config.bridge == "none" else config.bridge
        suffix = re.sub(r"[^A-Za-z0-9_.-]", "_", own)
        self.firewall = Firewall(suffix)
        self.context = DriverContext(self.firewall, config.bridge, config.mtu, config.icc)
        self.sandboxes = Sandboxes(config.exec_root / "netns")
        self._drivers: dict[str, NetworkDriver] = {}

    def open(self) -> None:
        """Prepare the machine."""
        self.sandboxes.open()
        self.firewall.open()
        self.context.sysctl("ipv4/ip_forward", "1")

    def close(self) -> None:
        """Let go of handles; networks, namespaces and rules stay."""
        self.sandboxes.close()
        self.firewall.close()
        self.context.close()

    def routes(self) -> list[IPv4Network]:
        """Destinations of the host's IPv4 routes, the default route left out."""
        return [IPv4Network(route) for route in self.context.netlink().routes()]

    def link_address(self, name: str) -> str:
        """The first IPv4 address of a link in CIDR notation, "" if there is none."""
        link = self.context.netlink().link(name)
        addresses = self.context.netlink().addresses(link.index) if link else []
        return addresses[0] if addresses else ""

    def driver(self, name: str) -> NetworkDriver:
        """A driver by name; NotFound with dockerd's words."""
        if name not in self._drivers:
            try:
                made: NetworkDriver = registry.load("network", name)(self.context)
            except DockyardError as exc:
                raise NotFound(
                    f'could not find plugin {name} in v1 plugin registry: plugin "{name}" not found'
                ) from exc
            self._drivers[name] = made
        return self._drivers[name]

    def create(self, network: Network) -> None:
        """Make a network's kernel objects."""
        self.driver(network.driver).create_network(network.spec)

    def delete(self, network: Network) -> None:
        """Remove them."""
        self.driver(network.driver).delete_network(network.spec)

    def bring_up(self, record: SandboxRecord, endpoints: Iterable[Endpoint]) -> None:
        """A fresh namespace with an interface for each endpoint."""
        sandbox = self.sandboxes.take(record.container_id)
        for endpoint in endpoints:
            self.join(record, endpoint, sandbox)

    def join(self, record: SandboxRecord, endpoint: Endpoint, sandbox: Path) -> None:
        """Connect one endpoint; the gateway's brings the ports with it."""
        network = self._store.resolve(endpoint.network_id)
        chosen = endpoint.id == record.gateway
        spec = endpoint.spec(default_route=chosen, ports=record.ports if chosen else ())
        self.driver(network.driver).join(network.spec, spec, sandbox)

    def leave(self, record: SandboxRecord, endpoint: Endpoint, *, ending: bool) -> None:
        """Disconnect one endpoint."""
        network = self._store.resolve(endpoint.network_id)
        ports = record.ports if endpoint.id == record.gateway else ()
        self.driver(network.driver).leave(network.spec, endpoint.spec(ports=ports), ending=ending)

    def tear_down(self, record: SandboxRecord, endpoints: Iterable[Endpoint]) -> None:
        """Disconnect all and remove the namespace. One failure does not keep the rest from going."""
        problem: DockyardError | None = None
        for endpoint in endpoints:
            try:
                self.leave(record, endpoint, ending=True)
            except DockyardError as exc:
                log.warning("container %s: %s", record.container_id[:12], exc)
                problem = problem or exc
        if record.path:
            self.sandboxes.remove(Path(record.path))
        if problem is not None:
            raise problem

    def move_gateway(self, record: SandboxRecord, endpoint: Endpoint | None) -> None:
        """Give default route and ports to another endpoint (None: nobody)."""
        network = self._store.resolve(endpoint.network_id) if endpoint else None
        set_default_route(Path(record.path), network.pools[0].gateway if network else "")
        if endpoint is not None:
            self.join(record, endpoint, Path(record.path))

    def reconnect(self, record: SandboxRecord, endpoints: Iterable[Endpoint]) -> None:
        """After a daemon restart: make what is missing of a running container's connections."""
        sandbox = Path(record.path)
        if not self.sandboxes.alive(sandbox):
            log.warning("container %s runs, but its network namespace is lost", record.container_id[:12])
            return
        for endpoint in endpoints:
            try:
                self.join(record, endpoint, sandbox)
            except DockyardError as exc:
                log.warning("container %s can't be reconnected: %s", record.container_id[:12], exc)

    def publish_only(self, published: Iterable[tuple[str, tuple[PortBinding, ...]]]) -> None:
        """Replace all published ports."""
        self.firewall.publish_only(published)

    def sweep(self) -> None:
        """Delete interfaces that belong to no endpoint any more."""
        for network in self._store.networks():
            driver = self.driver(network.driver)
            if not isinstance(driver, Sweeper):
                continue
            try:
                driver.sweep(network.spec, partial(self._live, network.id))
            except DockyardError as exc:
                log.warning("network %s: %s", network.name, exc)

    def _live(self, network_id: str) -> set[str]:
        return {endpoint.id for endpoint in self._store.endpoints_on(network_id)}
