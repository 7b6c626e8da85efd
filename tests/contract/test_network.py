"""What every network driver keeps to (engine/driverapi/network.py)."""

from __future__ import annotations

from pathlib import Path

from engine.driverapi import registry
from engine.driverapi.network import (
    EndpointSpec,
    NetworkDriver,
    NetworkSpec,
    PortBinding,
    Subnet,
    Sweeper,
)
from engine.linux import netlink, netns
from tests.integration.network.isolation import on_own_host
from tests.integration.network.lab import Lab

NETWORK = NetworkSpec("a" * 64, "contract", (Subnet("10.9.0.0/24", "10.9.0.1"),))
ENDPOINT = EndpointSpec(
    "b" * 64,
    "c" * 64,
    ("10.9.0.2/24",),
    "02:42:0a:09:00:02",
    ports=(PortBinding(80, "tcp", "0.0.0.0", 8080),),
)


def drivers(host: Lab) -> list[NetworkDriver]:
    context = host.networks._fabric.context
    return [registry.load("network", name)(context) for name in registry.names("network")]


def links() -> set[str]:
    with netlink.NetlinkSocket() as sock:
        return {link.name for link in sock.links()}


def sandbox(host: Lab) -> Path:
    path = host.directory / "sandbox"
    netns.create(str(path))
    return path


@on_own_host
async def test_a_driver_knows_its_name(host: Lab) -> None:
    assert {driver.name for driver in drivers(host)} == set(registry.names("network"))


@on_own_host
async def test_everything_may_be_repeated_and_leaves_nothing(host: Lab) -> None:
    before = links()
    for driver in drivers(host):
        path = sandbox(host)
        inside = netns.run_in(str(path), links)
        for _ in range(2):
            driver.create_network(NETWORK)
        for _ in range(2):
            driver.join(NETWORK, ENDPOINT, path)
        for _ in range(2):
            driver.leave(NETWORK, ENDPOINT)
        assert netns.run_in(str(path), links) == inside, driver.name
        for _ in range(2):
            driver.delete_network(NETWORK)
        assert links() == before, driver.name
        netns.remove(str(path))


@on_own_host
async def test_leaving_and_deleting_what_never_was(host: Lab) -> None:
    for driver in drivers(host):
        for ending in (False, True):
            driver.leave(NETWORK, ENDPOINT, ending=ending)
        driver.delete_network(NETWORK)


@on_own_host
async def test_a_sandbox_can_join_again(host: Lab) -> None:
    for driver in drivers(host):
        path = sandbox(host)
        driver.create_network(NETWORK)
        driver.join(NETWORK, ENDPOINT, path)
        joined = netns.run_in(str(path), links)
        driver.leave(NETWORK, ENDPOINT)
        driver.join(NETWORK, ENDPOINT, path)
        assert netns.run_in(str(path), links) == joined, driver.name
        driver.leave(NETWORK, ENDPOINT, ending=True)
        netns.remove(str(path))
        driver.delete_network(NETWORK)


@on_own_host
async def test_a_sweep_spares_the_living(host: Lab) -> None:
    for driver in drivers(host):
        if not isinstance(driver, Sweeper):
            continue
        path = sandbox(host)
        driver.create_network(NETWORK)
        before = netns.run_in(str(path), links)
        driver.join(NETWORK, ENDPOINT, path)
        joined = netns.run_in(str(path), links)
        driver.sweep(NETWORK, lambda: {ENDPOINT.id})
        assert netns.run_in(str(path), links) == joined, driver.name
        driver.sweep(NETWORK, set)
        assert netns.run_in(str(path), links) == before, driver.name
        driver.leave(NETWORK, ENDPOINT)
        driver.delete_network(NETWORK)
        netns.remove(str(path))
