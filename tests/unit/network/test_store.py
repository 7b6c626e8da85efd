"""The records: nothing doubled, nothing leaked, everything found again."""

from __future__ import annotations

import sqlite3
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from engine.db import Database
from engine.driverapi.network import PortBinding
from engine.errdefs import Conflict, InvalidParameter, NotFound
from engine.network.model import ContainerNet, Endpoint, IpamPool, Network, SandboxRecord
from engine.network.store import NetworkStore


def network(id: str, name: str) -> Network:
    pools = (IpamPool("10.0.0.0/24", "10.0.0.1"),)
    return Network(id, name, "bridge", f"2026-01-01T00:00:00.{id}Z", pools, labels={"a": "b"})


def endpoint(id: str, container: str, address: str = "10.0.0.2/24") -> Endpoint:
    return Endpoint(id, "n1", container, container, (address,), interface="eth0", dns_names=(container,))


def record(container: str) -> SandboxRecord:
    ports = (PortBinding(80, "tcp", "0.0.0.0", 8080),)
    net = ContainerNet(container, container, endpoints={"app": {"Aliases": ["x"]}}, exposed=("80/tcp",))
    return SandboxRecord("s" + container, net, "/run/ns", "e1", ports)


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return Database(tmp_path / "engine.db")


def test_records_are_found_again(db: Database) -> None:
    store = NetworkStore(db)
    store.put_network(network("n1", "app"))
    store.put(record("c1"), [endpoint("e1", "c1")])
    again = NetworkStore(db)
    assert again.networks() == store.networks() == [network("n1", "app")]
    assert again.sandboxes() == [record("c1")]
    assert again.endpoints_of("c1") == again.endpoints_on("n1") == [endpoint("e1", "c1")]
    assert again.leases("n1") == {int(IPv4Address("10.0.0.2"))}
    db.close()


def test_names_and_id_prefixes(db: Database) -> None:
    store = NetworkStore(db)
    store.put_network(network("abc1", "one"))
    store.put_network(network("abd2", "two"))
    assert store.resolve("one").id == store.resolve("abc").id == "abc1"
    with pytest.raises(NotFound, match=r"^network nosuch not found$"):
        store.resolve("nosuch")
    with pytest.raises(NotFound):
        store.resolve("")
    with pytest.raises(InvalidParameter, match="ambiguous"):
        store.resolve("ab")
    with pytest.raises(Conflict, match=r"^network with name one already exists$"):
        store.put_network(network("new", "one"))
    db.close()


def test_an_address_is_leased_once(db: Database) -> None:
    store = NetworkStore(db)
    store.put_network(network("n1", "app"))
    store.put(record("c1"), [endpoint("e1", "c1")])
    with pytest.raises(sqlite3.IntegrityError):
        store.put(record("c2"), [endpoint("e2", "c2")])
    assert store.sandbox("c2") is None
    assert NetworkStore(db).sandbox("c2") is None
    db.close()


def test_a_forgotten_sandbox_leaves_nothing(db: Database) -> None:
    store = NetworkStore(db)
    store.put_network(network("n1", "app"))
    store.put(record("c1"), [endpoint("e1", "c1")])
    store.delete_sandbox("c1")
    assert store.leases("n1") == set()
    assert store.endpoints_on("n1") == []
    for table in ("network_sandboxes", "network_endpoints", "network_addresses"):
        assert db.query(f"SELECT count(*) FROM {table}") == [(0,)]
    store.delete_network("n1")
    assert NetworkStore(db).networks() == []
    db.close()


def test_an_endpoint_on_a_network_that_is_gone(db: Database) -> None:
    store = NetworkStore(db)
    with pytest.raises(NotFound):
        store.put(record("c1"), [endpoint("e1", "c1")])
    assert store.sandboxes() == []
    db.close()
