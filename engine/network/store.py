"""The records of networks, endpoints and sandboxes: in memory for reading, in engine.db for keeping.

Every change is one transaction, made before the kernel is told to make (and after it was told to
remove), so that a restart knows of everything that may exist. An address is leased by a row of
`network_addresses`; its primary key is what makes a double lease impossible.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from ipaddress import IPv4Address

import msgspec

from engine.db import Database
from engine.errdefs import Conflict, Forbidden, InvalidParameter, NotFound
from engine.network.model import Endpoint, Network, SandboxRecord

SCHEMA = """
CREATE TABLE IF NOT EXISTS networks (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, doc BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS network_sandboxes (container TEXT PRIMARY KEY, doc BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS network_endpoints (
    id TEXT PRIMARY KEY, network TEXT NOT NULL REFERENCES networks(id),
    container TEXT NOT NULL REFERENCES network_sandboxes(container), doc BLOB NOT NULL,
    UNIQUE (network, container)
);
CREATE TABLE IF NOT EXISTS network_addresses (
    network TEXT NOT NULL REFERENCES networks(id), address TEXT NOT NULL,
    endpoint TEXT NOT NULL REFERENCES network_endpoints(id) ON DELETE CASCADE,
    PRIMARY KEY (network, address)
);
CREATE INDEX IF NOT EXISTS network_addresses_by_endpoint ON network_addresses(endpoint);
"""

_encode = msgspec.json.encode


class NetworkStore:
    """`lock` is held by who decides on what it reads here and then writes; methods take it themselves too."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.lock = threading.RLock()
        db.script(SCHEMA)
        self._networks: dict[str, Network] = {}
        self._ids: dict[str, str] = {}
        self._endpoints: dict[str, dict[str, Endpoint]] = {}  # network id → container id → endpoint
        self._sandboxes: dict[str, SandboxRecord] = {}
        self._places: dict[str, dict[str, Endpoint]] = {}  # container id → network id → endpoint
        self._leases: dict[str, set[int]] = {}
        self._load()

    def _load(self) -> None:
        for (doc,) in self._db.query("SELECT doc FROM networks"):
            self._remember_network(msgspec.json.decode(doc, type=Network))
        for (doc,) in self._db.query("SELECT doc FROM network_sandboxes"):
            record = msgspec.json.decode(doc, type=SandboxRecord)
            self._sandboxes[record.container_id] = record
        for (doc,) in self._db.query("SELECT doc FROM network_endpoints"):
            self._remember_endpoint(msgspec.json.decode(doc, type=Endpoint))

    # Networks

    def networks(self) -> list[Network]:
        """All, the oldest first."""
        with self.lock:
            return sorted(self._networks.values(), key=lambda network: network.created)

    def find(self, ref: str) -> Network | None:
        """By id or name."""
        with self.lock:
            return self._networks.get(ref) or self._networks.get(self._ids.get(ref, ""))

    def resolve(self, ref: str) -> Network:
        """By full id, name, or a prefix of the id that fits one only; NotFound, InvalidParameter."""
        with self.lock:
            found = self.find(ref)
            if found is not None:
                return found
            fitting = [network for id, network in self._networks.items() if ref and id.startswith(ref)]
        if not fitting:
            raise NotFound(f"network {ref} not found")
        if len(fitting) > 1:
            raise InvalidParameter(
                f"network {ref} is ambiguous ({len(fitting)} matches found based on ID prefix)"
            )
        return fitting[0]

    def put_network(self, network: Network) -> None:
        """Write a new or changed network down; Conflict if its name is another's."""
        with self.lock:
            other = self._ids.get(network.name)
            if other is not None and other != network.id:
                raise Conflict(f"network with name {network.name} already exists")
            with self._db.transaction() as tx:
                tx.execute(
                    "INSERT INTO networks VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc",
                    (network.id, network.name, _encode(network)),
                )
            self._remember_network(network)

    def delete_network(self, network_id: str) -> None:
        """Forget a network without endpoints."""
        with self.lock:
            with self._db.transaction() as tx:
                tx.execute("DELETE FROM networks WHERE id = ?", (network_id,))
            network = self._networks.pop(network_id)
            self._ids.pop(network.name, None)
            self._endpoints.pop(network_id, None)
            self._leases.pop(network_id, None)

    def leases(self, network_id: str) -> set[int]:
        """Addresses that endpoints have, as ints; the caller holds the lock."""
        return self._leases.setdefault(network_id, set())

    # Sandboxes and endpoints

    def sandbox(self, container_id: str) -> SandboxRecord | None:
        """A container's sandbox."""
        return self._sandboxes.get(container_id)

    def sandboxes(self) -> list[SandboxRecord]:
        """All."""
        with self.lock:
            return list(self._sandboxes.values())

    def endpoints_of(self, container_id: str) -> list[Endpoint]:
        """A container's endpoints, by interface name."""
        with self.lock:
            return sorted(self._places.get(container_id, {}).values(), key=lambda ep: ep.interface)

    def endpoints_on(self, network_id: str) -> list[Endpoint]:
        """A network's endpoints."""
        with self.lock:
            return list(self._endpoints.get(network_id, {}).values())

    def endpoint(self, network_id: str, container_id: str) -> Endpoint | None:
        """The one endpoint of a container on a network."""
        return self._endpoints.get(network_id, {}).get(container_id)

    def put(
        self, sandbox: SandboxRecord, added: Iterable[Endpoint] = (), removed: Iterable[Endpoint] = ()
    ) -> None:
        """Write a sandbox down with endpoints it gains or changes and loses, all in one."""
        gained, lost = list(added), list(removed)
        with self.lock:
            with self._db.transaction() as tx:
                tx.execute(
                    "INSERT INTO network_sandboxes VALUES (?, ?) "
                    "ON CONFLICT (container) DO UPDATE SET doc = excluded.doc",
                    (sandbox.container_id, _encode(sandbox)),
                )
                for endpoint in lost:
                    tx.execute("DELETE FROM network_endpoints WHERE id = ?", (endpoint.id,))
                for endpoint in gained:
                    if endpoint.network_id not in self._networks:
                        raise NotFound(f"network {endpoint.network_id} not found")
                    tx.execute(
                        "INSERT INTO network_endpoints VALUES (?, ?, ?, ?) "
                        "ON CONFLICT (id) DO UPDATE SET doc = excluded.doc",
                        (endpoint.id, endpoint.network_id, endpoint.container_id, _encode(endpoint)),
                    )
                    tx.execute("DELETE FROM network_addresses WHERE endpoint = ?", (endpoint.id,))
                    for address in endpoint.addresses:
                        tx.execute(
                            "INSERT INTO network_addresses VALUES (?, ?, ?)",
                            (endpoint.network_id, address.partition("/")[0], endpoint.id),
                        )
            self._sandboxes[sandbox.container_id] = sandbox
            for endpoint in lost:
                self._forget_endpoint(endpoint)
            for endpoint in gained:
                self._remember_endpoint(endpoint)

    def delete_sandbox(self, container_id: str) -> None:
        """Forget a sandbox, its endpoints and their addresses."""
        with self.lock:
            with self._db.transaction() as tx:
                tx.execute("DELETE FROM network_endpoints WHERE container = ?", (container_id,))
                tx.execute("DELETE FROM network_sandboxes WHERE container = ?", (container_id,))
            for endpoint in list(self._places.get(container_id, {}).values()):
                self._forget_endpoint(endpoint)
            self._sandboxes.pop(container_id, None)

    def check_unused(self, network: Network) -> None:
        """Forbidden while containers are on the network."""
        if self.endpoints_on(network.id):
            raise Forbidden(
                f"error while removing network: network {network.name} id {network.id} has active endpoints"
            )

    def _remember_network(self, network: Network) -> None:
        self._networks[network.id] = network
        self._ids[network.name] = network.id
        self._endpoints.setdefault(network.id, {})

    def _remember_endpoint(self, endpoint: Endpoint) -> None:
        self._endpoints.setdefault(endpoint.network_id, {})[endpoint.container_id] = endpoint
        self._places.setdefault(endpoint.container_id, {})[endpoint.network_id] = endpoint
        if endpoint.ipv4:
            self.leases(endpoint.network_id).add(int(IPv4Address(endpoint.ipv4)))

    def _forget_endpoint(self, endpoint: Endpoint) -> None:
        self._endpoints.get(endpoint.network_id, {}).pop(endpoint.container_id, None)
        places = self._places.get(endpoint.container_id, {})
        places.pop(endpoint.network_id, None)
        if not places:
            self._places.pop(endpoint.container_id, None)
        if endpoint.ipv4:
            self.leases(endpoint.network_id).discard(int(IPv4Address(endpoint.ipv4)))
