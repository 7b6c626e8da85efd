"""The default network: traffic, published ports, conflicts."""

from __future__ import annotations

import socket

import pytest

from engine.errdefs import SystemFailure
from tests.integration.network.isolation import on_own_host
from tests.integration.network.lab import HERE, OUTSIDE, Lab, address, ask, server, silent


@on_own_host
async def test_containers_reach_each_other_by_address(host: Lab) -> None:
    _, one = await host.attach()
    _, two = await host.attach()
    assert (address(one), address(two)) == ("172.17.0.2", "172.17.0.3")
    with server(two.path, 80):
        assert await ask(one.path, address(two), 80) == address(one)


@on_own_host
async def test_a_container_reaches_another_host_under_the_hosts_address(host: Lab) -> None:
    _, one = await host.attach()
    with server(host.outside, 80):
        assert await ask(one.path, OUTSIDE, 80) == HERE


@on_own_host
async def test_a_published_port_answers_from_everywhere(host: Lab) -> None:
    _, web = await host.attach(port_bindings={"80/tcp": [{"HostIp": "", "HostPort": "8080"}]})
    _, other = await host.attach()
    with server(web.path, 80):
        assert await ask(None, HERE, 8080) is not None
        assert await ask(None, "127.0.0.1", 8080) == "172.17.0.1"
        assert await ask(host.outside, HERE, 8080) == OUTSIDE
        assert await ask(other.path, HERE, 8080) is not None
        assert await ask(other.path, "172.17.0.1", 8080) is not None
        assert await ask(web.path, HERE, 8080) is not None
    assert web.ports == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}


@on_own_host
async def test_a_published_udp_port_answers(host: Lab) -> None:
    _, web = await host.attach(port_bindings={"53/udp": [{"HostPort": "5353"}]})
    with server(web.path, 53, kind=socket.SOCK_DGRAM):
        assert await ask(host.outside, HERE, 5353, kind=socket.SOCK_DGRAM) == OUTSIDE
        assert await ask(None, "127.0.0.1", 5353, kind=socket.SOCK_DGRAM) is not None


@on_own_host
async def test_a_port_published_on_loopback_is_closed_to_others(host: Lab) -> None:
    _, web = await host.attach(port_bindings={"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]})
    with server(web.path, 80):
        assert await ask(None, "127.0.0.1", 8080) is not None
        assert await silent(host.outside, HERE, 8080)


@on_own_host
async def test_containers_do_not_reach_the_hosts_loopback(host: Lab) -> None:
    _, one = await host.attach()
    with server(None, 9000, host="127.0.0.1"):
        assert await ask(None, "127.0.0.1", 9000) is not None
        assert await silent(one.path, "172.17.0.1", 9000)


@on_own_host
async def test_a_port_of_another_container_is_refused_and_nothing_is_kept(host: Lab) -> None:
    bindings = {"80/tcp": [{"HostPort": "8080"}]}
    await host.attach("web", port_bindings=bindings)
    second = host.container("second", port_bindings=bindings)
    with pytest.raises(SystemFailure) as caught:
        await host.networks.attach(second)
    message = str(caught.value)
    assert message.startswith("driver failed programming external connectivity on endpoint second (")
    assert message.endswith("): Bind for 0.0.0.0:8080 failed: port is already allocated")
    assert host.networks.sandbox(second.id) is None
    _, third = await host.attach()
    assert address(third) == "172.17.0.3"


@on_own_host
async def test_a_port_of_another_program_is_refused(host: Lab) -> None:
    with server(None, 8080):
        with pytest.raises(SystemFailure, match=r"listen tcp4 0.0.0.0:8080: bind: address already in use$"):
            await host.attach(port_bindings={"80/tcp": [{"HostPort": "8080"}]})
    await host.attach(port_bindings={"80/tcp": [{"HostPort": "8080"}]})


@on_own_host
async def test_no_other_program_can_take_a_published_port(host: Lab) -> None:
    web, _ = await host.attach(port_bindings={"80/tcp": [{"HostPort": "8080"}]})
    with pytest.raises(OSError, match="in use"):
        with server(None, 8080):
            pass
    await host.networks.detach(web.id)
    with server(None, 8080):
        assert await ask(None, "127.0.0.1", 8080) == "127.0.0.1"


@on_own_host
async def test_random_ports_and_ranges(host: Lab) -> None:
    _, one = await host.attach(exposed=("80/tcp", "81/tcp"), publish_all=True)
    numbers = {int(ports[0]["HostPort"]) for ports in one.ports.values() if ports}
    assert len(numbers) == 2
    assert min(numbers) >= 32768
    wish = {"80/tcp": [{"HostPort": "8000-8001"}]}
    _, first = await host.attach(port_bindings=wish)
    _, second = await host.attach(port_bindings=wish)
    assert first.ports["80/tcp"] == [{"HostIp": "0.0.0.0", "HostPort": "8000"}]
    assert second.ports["80/tcp"] == [{"HostIp": "0.0.0.0", "HostPort": "8001"}]
    with pytest.raises(SystemFailure, match="8000"):
        await host.attach(port_bindings=wish)


@on_own_host
async def test_unpublished_ports_are_closed_to_other_hosts(host: Lab) -> None:
    from engine.linux import netlink, netns

    _, web = await host.attach()

    def route_to_us() -> None:
        with netlink.NetlinkSocket() as sock:
            sock.execute(netlink.default_route(HERE))

    netns.run_in(str(host.outside), route_to_us)
    with server(web.path, 80):
        assert await ask(None, address(web), 80) is not None
        assert await silent(host.outside, address(web), 80)


@on_own_host
async def test_containers_are_apart_with_icc_off(host: Lab) -> None:
    await host.restart([], icc=False)
    _, one = await host.attach()
    _, two = await host.attach(port_bindings={"80/tcp": [{"HostPort": "8080"}]})
    with server(two.path, 80):
        assert await silent(one.path, address(two), 80)
        assert await ask(one.path, HERE, 8080) is not None
        assert await ask(None, address(two), 80) is not None


@on_own_host
async def test_no_network_and_the_hosts(host: Lab) -> None:
    _, none = await host.attach(mode="none")
    assert none.path is not None
    assert none.networks["none"]["IPAddress"] == ""
    with server(none.path, 80):
        assert await ask(none.path, "127.0.0.1", 80) == "127.0.0.1"
        assert await silent(None, "127.0.0.1", 80)
    _, on_host = await host.attach(mode="host")
    assert on_host.path is None
    assert list(on_host.networks) == ["host"]


@on_own_host
async def test_a_container_joins_anothers_namespace(host: Lab) -> None:
    web, sandbox = await host.attach()
    _, beside = await host.attach(mode=f"container:{web.id}")
    assert beside.path == sandbox.path
    assert beside.networks == {}
    assert beside.hosts == sandbox.hosts


@on_own_host
async def test_an_address_moves_to_the_next_container(host: Lab) -> None:
    first, old = await host.attach()
    with server(old.path, 80):  # keeps the old namespace alive
        assert await ask(None, address(old), 80) is not None
        await host.networks.detach(first.id)
        _, new = await host.attach()
        assert address(new) == address(old)
        # The kernel tells a bridge of a link's carrier up to a second late (linkwatch), and the bridge
        # then enables the port that we have just disabled; the sweep ends that.
        for _ in range(6):
            if await silent(None, address(new), 80):
                break
        else:
            raise AssertionError("the old container still answers")
        with server(new.path, 80):
            assert await ask(None, address(new), 80) == "172.17.0.1"
