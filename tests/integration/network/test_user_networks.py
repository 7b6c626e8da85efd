"""User-defined networks: isolation, names, connect and disconnect, what is refused."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from dnslib import QTYPE, RR, A, DNSRecord

from engine.api.filters import Filters
from engine.errdefs import Conflict, Forbidden, InvalidParameter, NotFound, Unsupported
from engine.linux import netlink
from tests.integration.network.isolation import on_own_host
from tests.integration.network.lab import HERE, OUTSIDE, Lab, address, ask, inside, server, silent


async def resolve(path: Path | None, name: str, *, kind: str = "A", tcp: bool = False) -> list[str]:
    """Ask the embedded server of a sandbox; addresses, or the code of the failure."""
    sort = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
    sock = inside(path, lambda: socket.socket(socket.AF_INET, sort))
    sock.settimeout(3)
    query = DNSRecord.question(name, kind)

    def exchange() -> bytes:
        with sock:
            sock.connect(("127.0.0.11", 53))
            if tcp:
                sock.sendall(len(query.pack()).to_bytes(2) + query.pack())
                length = int.from_bytes(sock.recv(2, socket.MSG_WAITALL))
                return sock.recv(length, socket.MSG_WAITALL)
            sock.sendall(query.pack())
            return sock.recv(4096)

    reply = DNSRecord.parse(await asyncio.to_thread(exchange))
    assert reply.header.id == query.header.id
    if reply.header.rcode:
        return [f"rcode {reply.header.rcode}"]
    return sorted(str(record.rdata) for record in reply.rr)


@on_own_host
async def test_networks_are_apart_but_share_published_ports(host: Lab) -> None:
    await host.networks.create({"Name": "front"})
    await host.networks.create({"Name": "back"})
    _, front = await host.attach(mode="front")
    _, back = await host.attach(mode="back", port_bindings={"80/tcp": [{"HostPort": "8080"}]})
    assert (address(front, "front"), address(back, "back")) == ("172.18.0.2", "172.19.0.2")
    with server(back.path, 80):
        assert await silent(front.path, address(back, "back"), 80)
        assert await ask(front.path, HERE, 8080) is not None
        assert await ask(host.outside, HERE, 8080) == OUTSIDE


@on_own_host
async def test_an_internal_network_reaches_nobody_else(host: Lab) -> None:
    await host.networks.create({"Name": "inner", "Internal": True})
    _, one = await host.attach(mode="inner")
    _, two = await host.attach(mode="inner")
    assert one.networks["inner"]["Gateway"] == ""
    with server(host.outside, 80), server(two.path, 80):
        assert await silent(one.path, OUTSIDE, 80)
        assert await ask(one.path, address(two, "inner"), 80) == address(one, "inner")


@on_own_host
async def test_containers_find_each_other_by_name_alias_and_short_id(host: Lab) -> None:
    await host.networks.create({"Name": "app"})
    container, web = await host.attach("web", mode="app", endpoints={"app": {"Aliases": ["www"]}})
    _, other = await host.attach("other", mode="app")
    assert other.resolv_conf.startswith("nameserver 127.0.0.11\n")
    assert "options ndots:0" in other.resolv_conf
    for name in ("web", "WWW", container.id[:12], "web.app"):
        assert await resolve(other.path, name) == [address(web, "app")], name
    assert await resolve(other.path, "web", tcp=True) == [address(web, "app")]
    assert await resolve(other.path, "web", kind="AAAA") == []
    assert await resolve(other.path, "2.0.18.172.in-addr.arpa", kind="PTR") == ["web.app."]
    await host.networks.detach(container.id)
    assert await resolve(other.path, "web") != [address(web, "app")]


@on_own_host
async def test_names_of_other_networks_are_unknown(host: Lab) -> None:
    await host.networks.create({"Name": "front"})
    await host.networks.create({"Name": "back", "Internal": True})
    await host.attach("web", mode="front")
    _, db = await host.attach("db", mode="back")
    assert await resolve(db.path, "web") == ["rcode 2"]


@on_own_host
async def test_a_container_may_be_a_name_server_itself(host: Lab) -> None:
    await host.networks.create({"Name": "app"})
    _, one = await host.attach("one", mode="app")
    with server(one.path, 53), server(one.path, 53, kind=socket.SOCK_DGRAM):
        assert await resolve(one.path, "one") == [address(one, "app")]


@on_own_host
async def test_one_alias_may_name_many(host: Lab) -> None:
    await host.networks.create({"Name": "app"})
    for name in ("a", "b"):
        await host.attach(name, mode="app", endpoints={"app": {"Aliases": ["web"]}})
    _, other = await host.attach(mode="app")
    assert await resolve(other.path, "web") == ["172.18.0.2", "172.18.0.3"]


@on_own_host
async def test_other_names_are_asked_of_the_given_server(host: Lab) -> None:
    def make(kind: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET, kind)
        sock.bind((OUTSIDE, 53))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        return sock

    def reply(data: bytes) -> bytes:
        query = DNSRecord.parse(data)
        answer = query.reply()
        answer.add_answer(RR(query.q.qname, QTYPE.A, rdata=A("203.0.113.9"), ttl=1))
        return bytes(answer.pack())

    def serve_udp() -> None:
        data, peer = udp.recvfrom(4096)
        udp.sendto(reply(data), peer)

    def serve_tcp() -> None:
        client, _ = tcp.accept()
        with client:
            length = int.from_bytes(client.recv(2, socket.MSG_WAITALL))
            answer = reply(client.recv(length, socket.MSG_WAITALL))
            client.sendall(len(answer).to_bytes(2) + answer)

    await host.networks.create({"Name": "app"})
    _, one = await host.attach(mode="app", dns=(OUTSIDE,))
    with inside(host.outside, lambda: make(socket.SOCK_DGRAM)) as udp:
        with inside(host.outside, lambda: make(socket.SOCK_STREAM)) as tcp:
            serving = asyncio.gather(asyncio.to_thread(serve_udp), asyncio.to_thread(serve_tcp))
            assert await resolve(one.path, "example.org") == ["203.0.113.9"]
            assert await resolve(one.path, "example.org", tcp=True) == ["203.0.113.9"]
            await serving
    assert await resolve(one.path, "example.org", tcp=True) == ["rcode 2"]


@on_own_host
async def test_connect_and_disconnect_a_running_container(host: Lab) -> None:
    await host.networks.create({"Name": "app"})
    web, sandbox = await host.attach("web", port_bindings={"80/tcp": [{"HostPort": "8080"}]})
    _, other = await host.attach("other", mode="app")
    sandbox = await host.networks.connect("app", web, {"Aliases": ["www"]})
    assert set(sandbox.networks) == {"app", "bridge"}
    assert address(sandbox, "app") in sandbox.hosts
    assert await resolve(other.path, "www") == [address(sandbox, "app")]
    with server(sandbox.path, 80):
        assert await ask(other.path, address(sandbox, "app"), 80) == address(other, "app")
        # The ports and the default route move to the network that is left.
        assert await host.networks.disconnect("bridge", web) is not None
        assert await ask(host.outside, HERE, 8080) == OUTSIDE
    with server(host.outside, 81):
        assert await ask(sandbox.path, OUTSIDE, 81) == HERE
    with pytest.raises(Forbidden, match="is not connected to network bridge"):
        await host.networks.disconnect("bridge", web)
    with pytest.raises(Forbidden, match="endpoint with name web already exists in network app"):
        await host.networks.connect("app", web, {})
    last = await host.networks.disconnect("app", web)
    assert last is not None
    assert last.networks == {}
    # No network is left to publish on: the port is free for others.
    await host.attach(port_bindings={"80/tcp": [{"HostPort": "8080"}]})


@on_own_host
async def test_a_container_starts_on_several_networks(host: Lab) -> None:
    await host.networks.create({"Name": "a"})
    await host.networks.create({"Name": "z"})
    _, one = await host.attach(mode="z", endpoints={"z": {}, "a": {"Aliases": ["x"]}})
    assert set(one.networks) == {"a", "z"}

    def links() -> set[str]:
        with netlink.NetlinkSocket() as sock:
            return {link.name for link in sock.links()}

    assert {"lo", "eth0", "eth1"} <= inside(one.path, links)
    with server(host.outside, 80):
        assert await ask(one.path, OUTSIDE, 80) == HERE


@on_own_host
async def test_fixed_addresses(host: Lab) -> None:
    pool = {"Config": [{"Subnet": "10.5.0.0/24", "IPRange": "10.5.0.64/26", "Gateway": "10.5.0.254"}]}
    await host.networks.create({"Name": "fixed", "IPAM": pool})
    await host.networks.create({"Name": "free"})
    _, one = await host.attach(mode="fixed")
    assert address(one, "fixed") == "10.5.0.64"
    assert one.networks["fixed"]["Gateway"] == "10.5.0.254"
    wish = {"fixed": {"IPAMConfig": {"IPv4Address": "10.5.0.9"}, "MacAddress": "02:11:22:33:44:55"}}
    _, two = await host.attach(mode="fixed", endpoints=wish)
    assert address(two, "fixed") == "10.5.0.9"
    assert two.networks["fixed"]["MacAddress"] == "02:11:22:33:44:55"
    with pytest.raises(Forbidden, match="Address already in use"):
        await host.attach(mode="fixed", endpoints=wish)
    with pytest.raises(InvalidParameter, match="user configured subnets"):
        await host.attach(mode="free", endpoints={"free": {"IPAMConfig": {"IPv4Address": "172.18.0.9"}}})
    with server(two.path, 80):
        assert await ask(one.path, "10.5.0.9", 80) == "10.5.0.64"


@on_own_host
async def test_what_is_refused(host: Lab) -> None:
    networks = host.networks
    await networks.create({"Name": "app", "IPAM": {"Config": [{"Subnet": "10.6.0.0/16"}]}})
    with pytest.raises(Conflict, match=r"^network with name app already exists$"):
        await networks.create({"Name": "app"})
    with pytest.raises(Forbidden, match=r"^Pool overlaps with other one on this address space$"):
        await networks.create({"Name": "other", "IPAM": {"Config": [{"Subnet": "10.6.1.0/24"}]}})
    with pytest.raises(NotFound, match=r"^network nosuch not found$"):
        await networks.remove("nosuch")
    for name in ("bridge", "host", "none"):
        with pytest.raises(Forbidden, match=f"^{name} is a pre-defined network and cannot be removed$"):
            await networks.remove(name)
        with pytest.raises(Forbidden, match=f"predefined {name} network"):
            await networks.create({"Name": name})
    with pytest.raises(NotFound, match='plugin "nosuch" not found'):
        await networks.create({"Name": "x", "Driver": "nosuch"})
    with pytest.raises(Unsupported):
        await networks.create({"Name": "x", "EnableIPv6": True})
    with pytest.raises(InvalidParameter, match="Labels"):
        await networks.create({"Name": "x", "Labels": [1]})
    container, _ = await host.attach(mode="app")
    id = networks.resolve("app").id
    with pytest.raises(Forbidden, match=f"network app id {id} has active endpoints$"):
        await networks.remove("app")
    await networks.detach(container.id)
    await networks.remove(id[:8])
    with pytest.raises(NotFound):
        await host.attach(mode="app")


@on_own_host
async def test_list_inspect_prune_and_events(host: Lab) -> None:
    networks = host.networks
    id, warning = await networks.create({"Name": "app", "Labels": {"tier": "front"}})
    assert warning == ""
    used, _ = await networks.create({"Name": "used"})
    container, sandbox = await host.attach("web", mode="used")
    shown = await networks.inspect("used")
    assert shown["Containers"][container.id]["Name"] == "web"
    assert shown["Containers"][container.id]["IPv4Address"] == f"{address(sandbox, 'used')}/16"
    assert shown["IPAM"]["Config"] == [{"Subnet": "172.19.0.0/16", "Gateway": "172.19.0.1"}]
    names = [network["Name"] for network in await networks.list()]
    assert sorted(names) == ["app", "bridge", "host", "none", "used"]
    labelled = await networks.list(Filters({"label": ["tier=front"]}))
    assert [network["Id"] for network in labelled] == [id]
    custom = await networks.list(Filters({"type": ["custom"], "dangling": ["true"]}))
    assert [network["Name"] for network in custom] == ["app"]
    assert await networks.prune() == ["app"]
    await networks.detach(container.id)
    told = [(action, id) for _, action, id, _ in host.events.events]
    assert told == [
        ("create", id),
        ("create", used),
        ("connect", used),
        ("destroy", id),
        ("disconnect", used),
    ]
    assert host.events.events[2][3] == {"name": "used", "type": "bridge", "container": container.id}
