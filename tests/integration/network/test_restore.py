"""What a restart or a crash of the daemon leaves, and what it finds again."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from engine.errdefs import Forbidden, InvalidParameter, SystemFailure
from engine.linux import netlink, netns
from tests.integration.network.isolation import on_own_host
from tests.integration.network.lab import HERE, OUTSIDE, Lab, address, ask, server, silent
from tests.integration.network.test_user_networks import resolve


def links() -> set[str]:
    with netlink.NetlinkSocket() as sock:
        return {link.name for link in sock.links()}


def namespaces(host: Lab) -> set[str]:
    directory = host.directory / "exec" / "netns"
    return {path.name for path in directory.iterdir() if not path.name.startswith("stock-")}


@on_own_host
async def test_running_containers_stay_connected(host: Lab) -> None:
    await host.networks.create({"Name": "app"})
    bindings = {"80/tcp": [{"HostPort": "8080"}]}
    web, sandbox = await host.attach("web", mode="app", port_bindings=bindings)
    other, beside = await host.attach("other", mode="app")
    with server(sandbox.path, 80):
        await host.restart([web.id, other.id])
        assert await ask(host.outside, HERE, 8080) == OUTSIDE
        assert await ask(None, "127.0.0.1", 8080) is not None
        assert await ask(beside.path, address(sandbox, "app"), 80) == address(beside, "app")
        assert await resolve(beside.path, "web") == [address(sandbox, "app")]
    assert host.networks.sandbox(web.id) == sandbox
    third, found = await host.attach("third", mode="app")
    assert address(found, "app") == "172.18.0.4"
    del third


@on_own_host
async def test_a_published_port_stays_reserved(host: Lab) -> None:
    web, _ = await host.attach(port_bindings={"80/tcp": [{"HostPort": "8080"}]})
    await host.restart([web.id])
    try:
        with server(None, 8080):
            raise AssertionError("another program could take the port")
    except OSError:
        pass


@on_own_host
async def test_what_ended_meanwhile_is_removed(host: Lab) -> None:
    before = links()
    await host.networks.create({"Name": "app"})
    dead, _ = await host.attach(mode="app", port_bindings={"80/tcp": [{"HostPort": "8080"}]})
    alive, sandbox = await host.attach()
    await host.restart([alive.id])
    assert namespaces(host) == {alive.id[:12]}
    assert host.networks.sandbox(dead.id) is None
    bridge = f"br-{host.networks.resolve('app').id[:12]}"
    assert len(links() - before - {bridge}) == 1
    await host.networks.remove("app")
    assert bridge not in links()
    _, again = await host.attach(port_bindings={"80/tcp": [{"HostPort": "8080"}]})
    assert address(again) != address(sandbox)


@on_own_host
async def test_what_no_record_knows_is_removed(host: Lab) -> None:
    netns.create(str(host.directory / "exec" / "netns" / "stray"))
    subprocess.run(["ip", "link", "add", "vethstray", "type", "veth", "peer", "name", "strayend"], check=True)
    subprocess.run(["ip", "link", "set", "vethstray", "master", "pydocker0"], check=True)
    await host.restart([])
    assert namespaces(host) == set()
    assert "vethstray" not in links()


@on_own_host
async def test_everything_comes_back_after_a_reboot(host: Lab) -> None:
    await host.networks.create({"Name": "app"})
    bridge = f"br-{host.networks.resolve('app').id[:12]}"
    for name in (bridge, "pydocker0"):
        subprocess.run(["ip", "link", "delete", name], check=True)
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    await host.restart([])
    _, web = await host.attach(mode="app", port_bindings={"80/tcp": [{"HostPort": "8080"}]})
    with server(web.path, 80):
        assert await ask(host.outside, HERE, 8080) == OUTSIDE


@on_own_host
async def test_rules_of_the_administrator_survive_and_come_first(host: Lab) -> None:
    rule = f"add rule inet dockyard-pydocker0 administrator ip saddr {OUTSIDE} drop"
    subprocess.run(["nft", rule], check=True)
    await host.restart([])
    _, web = await host.attach(port_bindings={"80/tcp": [{"HostPort": "8080"}]})
    with server(web.path, 80):
        assert await ask(None, "127.0.0.1", 8080) is not None
        assert await silent(host.outside, HERE, 8080)


@on_own_host
async def test_a_detached_container_leaves_nothing(host: Lab) -> None:
    before = links()
    for _ in range(3):
        container, sandbox = await host.attach(port_bindings={"80/tcp": [{"HostPort": "8080"}]})
        assert address(sandbox) == "172.17.0.2"
        await host.networks.detach(container.id)
    await host.networks.detach(container.id)
    assert namespaces(host) == set()
    host.networks._fabric.sweep()
    assert links() == before
    listing = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    assert "8080" not in listing
    for table in ("network_sandboxes", "network_endpoints", "network_addresses"):
        assert host.db.query(f"SELECT count(*) FROM {table}") == [(0,)]


@on_own_host
async def test_the_default_networks_subnet(host: Lab) -> None:
    await host.restart([], bip="10.77.0.1/24")
    _, one = await host.attach()
    assert address(one) == "10.77.0.2"
    await host.networks.create({"Name": "app"})
    assert (await host.networks.inspect("app"))["IPAM"]["Config"][0]["Subnet"] == "172.17.0.0/16"


@on_own_host
async def test_pools_avoid_the_hosts_routes(host: Lab) -> None:
    subprocess.run(["ip", "route", "add", "172.18.4.0/24", "dev", "uplink"], check=True)
    await host.networks.create({"Name": "app"})
    assert (await host.networks.inspect("app"))["IPAM"]["Config"][0]["Subnet"] == "172.19.0.0/16"


@on_own_host
async def test_the_administrators_bridge_is_used_as_it_is(host: Lab) -> None:
    for command in (
        "ip link add br0 type bridge",
        "ip address add 10.88.0.1/24 dev br0",
        "ip address add 10.89.0.1/24 dev br0",
    ):
        subprocess.run(command.split(), check=True)
    await host.restart([], bridge="br0")
    _, one = await host.attach()
    assert address(one) == "10.88.0.2"
    with netlink.NetlinkSocket() as sock:
        link = sock.link("br0")
        assert link is not None
        assert sock.addresses(link.index) == ["10.88.0.1/24", "10.89.0.1/24"]


@on_own_host
async def test_links_that_were_there_are_never_deleted(host: Lab) -> None:
    subprocess.run(["ip", "link", "add", "br0", "type", "bridge"], check=True)
    subprocess.run(["ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan1"], check=True)
    option = "com.docker.network.bridge.name"
    with pytest.raises(InvalidParameter, match="existing interface lan0 is not a bridge"):
        await host.networks.create({"Name": "bad", "Options": {option: "lan0"}})
    await host.networks.create({"Name": "given", "Options": {option: "br0"}})
    with pytest.raises(Forbidden, match="networks have same bridge name"):
        await host.networks.create({"Name": "second", "Options": {option: "br0"}})
    await host.networks.remove("given")
    await host.networks.create({"Name": "made", "Options": {option: "br1"}})
    assert {"lan0", "br0", "br1"} <= links()
    await host.networks.remove("made")
    assert {"lan0", "br0"} <= links()
    assert "br1" not in links()


@on_own_host
async def test_a_cancelled_start_leaves_nothing(host: Lab) -> None:
    container = host.container(port_bindings={"80/tcp": [{"HostPort": "8080"}]})
    attaching = asyncio.ensure_future(host.networks.attach(container))
    await asyncio.sleep(0)
    attaching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attaching
    assert host.networks.sandbox(container.id) is None
    assert namespaces(host) == set()
    _, sandbox = await host.attach(port_bindings={"80/tcp": [{"HostPort": "8080"}]})
    assert address(sandbox) == "172.17.0.2"


@on_own_host
async def test_two_daemons_share_a_host(host: Lab) -> None:
    other = Lab(host.directory / "second")
    other.directory.mkdir()
    await other.start(bridge="pydocker1")
    try:
        _, one = await host.attach(port_bindings={"80/tcp": [{"HostPort": "8080"}]})
        _, two = await other.attach(port_bindings={"80/tcp": [{"HostPort": "8081"}]})
        assert address(two) == "172.18.0.2"
        with server(one.path, 80), server(two.path, 80):
            assert await ask(host.outside, HERE, 8080) == OUTSIDE
            assert await ask(host.outside, HERE, 8081) == OUTSIDE
            assert await ask(one.path, HERE, 8081) is not None
            assert await silent(one.path, address(two), 80)
        with pytest.raises(SystemFailure, match="address already in use"):
            await other.attach(port_bindings={"80/tcp": [{"HostPort": "8080"}]})
    finally:
        await other.stop()
        for path in (other.directory / "exec" / "netns").iterdir():
            netns.remove(str(path))
        netns.release_directory(str(other.directory / "exec" / "netns"))


@on_own_host
async def test_without_a_default_network(host: Lab) -> None:
    other = Lab(host.directory / "second")
    other.directory.mkdir()
    await other.start(bridge="none")
    try:
        assert {network["Name"] for network in await other.networks.list()} == {"host", "none"}
        container, sandbox = await other.attach()
        assert list(sandbox.networks) == ["none"]
        await other.networks.detach(container.id)
    finally:
        await other.stop()


@on_own_host
async def test_an_iptables_that_drops_by_default(host: Lab) -> None:
    subprocess.run(["iptables", "-P", "FORWARD", "DROP"], check=True)
    await host.restart([])
    await host.networks.create({"Name": "app"})
    _, web = await host.attach(mode="app", port_bindings={"80/tcp": [{"HostPort": "8080"}]})
    _, beside = await host.attach(mode="app")
    with server(web.path, 80), server(host.outside, 81):
        assert await ask(host.outside, HERE, 8080) == OUTSIDE
        assert await ask(web.path, OUTSIDE, 81) == HERE
        assert await ask(beside.path, address(web, "app"), 80) == address(beside, "app")

    def rules() -> list[str]:
        done = subprocess.run(["iptables", "-S", "FORWARD"], capture_output=True, text=True, check=True)
        return [line for line in done.stdout.splitlines() if "dockyard-pydocker0" in line]

    assert len(rules()) == 4
    for record in host.networks._store.sandboxes():
        await host.networks.detach(record.container_id)
    await host.networks.remove("app")
    assert len(rules()) == 2
    subprocess.run(["iptables", "-P", "FORWARD", "ACCEPT"], check=True)
    await host.restart([])
    assert rules() == []
