"""A container's place as its start and `inspect` see it: addresses, ports, /etc/hosts, /etc/resolv.conf."""

from __future__ import annotations

from pathlib import Path

from engine.network import hosts as files
from engine.network import ports, view
from engine.network.config import NetworkConfig
from engine.network.model import BRIDGE, HOST, Endpoint, Sandbox, SandboxRecord
from engine.network.store import NetworkStore


class Presenter:
    """Reads records only."""

    def __init__(self, config: NetworkConfig, store: NetworkStore) -> None:
        self._config = config
        self._store = store

    def sandbox(self, record: SandboxRecord) -> Sandbox:
        """All of it."""
        networks = {}
        for endpoint in self._store.endpoints_of(record.container_id):
            network = self._store.resolve(endpoint.network_id)
            networks[network.name] = view.endpoint_to_api(network, endpoint)
        return Sandbox(
            id=record.id,
            key=record.path,
            path=Path(record.path) if record.path else None,
            networks=networks,
            ports=ports.to_api(record.container.exposed, record.ports) if record.gateway else {},
            hosts=self.hosts(record),
            resolv_conf=self.resolv_conf(record),
        )

    def shared(self, record: SandboxRecord) -> Sandbox:
        """For a container that uses another's namespace: its files, no networks of its own."""
        return Sandbox(
            id=record.id,
            key=record.path,
            path=Path(record.path) if record.path else None,
            networks={},
            ports={},
            hosts=self.hosts(record),
            resolv_conf=self.resolv_conf(record),
        )

    def hosts(self, record: SandboxRecord) -> str:
        """/etc/hosts. A container on the host's network has the host's, and what was added."""
        container = record.container
        extra = files.parse_extra_hosts(container.extra_hosts, self._host_gateway())
        extra.extend(self._links(record))
        if container.mode == HOST:
            try:
                base = Path("/etc/hosts").read_text()
            except OSError:
                base = files.LOCAL
            return base + "".join(f"{address}\t{name}\n" for name, address in extra)
        names = files.own_names(container.hostname or container.id[:12], container.domainname)
        endpoints = self._store.endpoints_of(container.id)
        return files.hosts_text([(e.ipv4, names) for e in endpoints if e.ipv4], extra)

    def resolv_conf(self, record: SandboxRecord) -> str:
        """/etc/resolv.conf."""
        wanted = self._resolver(record)
        if self._has_dns(record):
            return wanted.embedded().text()
        return (wanted if record.container.mode == HOST else wanted.without_loopback()).text()

    def name_servers(self, record: SandboxRecord) -> tuple[str, ...] | None:
        """Upstreams of the container's embedded server; None if it needs none."""
        if not self._has_dns(record):
            return None
        return self._resolver(record).servers if record.gateway else ()

    def _resolver(self, record: SandboxRecord) -> files.ResolvConf:
        config, container = self._config, record.container
        daemon = files.host_resolv_conf().overlaid(config.dns, config.dns_search, config.dns_opts)
        return daemon.overlaid(container.dns, container.dns_search, container.dns_options)

    def _has_dns(self, record: SandboxRecord) -> bool:
        found = (self._store.find(e.network_id) for e in self._store.endpoints_of(record.container_id))
        return any(network is not None and network.has_dns for network in found)

    def _host_gateway(self) -> str:
        if self._config.host_gateway_ip:
            return self._config.host_gateway_ip
        bridge = self._store.find(BRIDGE)
        return bridge.pools[0].gateway if bridge and bridge.pools else ""

    def _links(self, record: SandboxRecord) -> list[tuple[str, str]]:
        """Names of containers linked to on the default network (`--link name:alias`)."""
        bridge = self._store.find(BRIDGE)
        if bridge is None:
            return []
        found = []
        for link in record.container.links:
            target, _, alias = link.lstrip("/").partition(":")
            for endpoint in self._store.endpoints_on(bridge.id):
                if _is(endpoint, target):
                    names = dict.fromkeys(
                        (
                            alias.rpartition("/")[2] or target,
                            endpoint.container_id[:12],
                            endpoint.container_name,
                        )
                    )
                    found.append((" ".join(names), endpoint.ipv4))
        return found


def _is(endpoint: Endpoint, target: str) -> bool:
    return target in (endpoint.container_id, endpoint.container_id[:12], endpoint.container_name)
