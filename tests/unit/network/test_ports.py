from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from engine.driverapi.network import PortBinding
from engine.errdefs import InvalidParameter, SystemFailure, Unsupported
from engine.network.ports import PortAllocator, PortRequest, parse_port, requests, to_api


@pytest.fixture
def allocator() -> Iterator[PortAllocator]:
    made = PortAllocator()
    yield made
    made.close()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("spec", "port"),
    [("80", (80, "tcp")), ("80/tcp", (80, "tcp")), ("53/UDP", (53, "udp")), ("9/sctp", (9, "sctp"))],
)
def test_port_specifications(spec: str, port: tuple[int, str]) -> None:
    assert parse_port(spec) == port


@pytest.mark.parametrize("spec", ["", "x", "0", "65536", "80/icmp", "-1"])
def test_bad_port_specifications(spec: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_port(spec)


def test_wishes_of_a_container() -> None:
    bindings = {
        "80/tcp": [{"HostIp": "", "HostPort": ""}, {"HostIp": "127.0.0.1", "HostPort": "8080"}],
        "53/udp": [{"HostPort": "5000-5005"}],
        "90/tcp": None,
    }
    assert requests(["80/tcp", "70/tcp"], bindings, False) == [
        PortRequest(80, "tcp", "127.0.0.1", 8080, 8080),
        PortRequest(53, "udp", "0.0.0.0", 5000, 5005),
        PortRequest(80, "tcp", "0.0.0.0", 0, 0),
        PortRequest(90, "tcp", "0.0.0.0", 0, 0),
    ]


def test_publish_all_adds_what_is_exposed_and_not_bound() -> None:
    bindings = {"80/tcp": [{"HostPort": "8080"}]}
    found = requests(["80/tcp", "70/udp"], bindings, True, "10.0.0.1")
    assert found == [
        PortRequest(80, "tcp", "10.0.0.1", 8080, 8080),
        PortRequest(70, "udp", "10.0.0.1", 0, 0),
    ]


@pytest.mark.parametrize("port", ["x", "0-5", "9-8", "70000", "1-"])
def test_bad_host_ports(port: str) -> None:
    with pytest.raises(InvalidParameter):
        requests([], {"80/tcp": [{"HostPort": port}]}, False)


def test_ipv6_addresses_are_refused() -> None:
    with pytest.raises(Unsupported):
        requests([], {"80/tcp": [{"HostIp": "::1", "HostPort": "80"}]}, False)


def test_the_apis_table_of_ports() -> None:
    ports = [PortBinding(80, "tcp", "0.0.0.0", 8080), PortBinding(80, "tcp", "127.0.0.1", 81)]
    assert to_api(["80/tcp", "443/tcp"], ports) == {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "127.0.0.1", "HostPort": "81"}],
        "443/tcp": None,
    }


def wish(port: int, host_ip: str = "127.0.0.1", proto: str = "tcp", last: int = 0) -> PortRequest:
    return PortRequest(80, proto, host_ip, port, last or port)


def test_a_port_is_ours_until_released(allocator: PortAllocator, free_port: int) -> None:
    taken = allocator.allocate([wish(free_port)])
    assert taken == (PortBinding(80, "tcp", "127.0.0.1", free_port),)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(("0.0.0.0", free_port))
    allocator.release(taken)
    with socket.socket() as other:
        other.bind(("0.0.0.0", free_port))


def test_the_same_port_of_another_protocol_is_free(allocator: PortAllocator, free_port: int) -> None:
    assert len(allocator.allocate([wish(free_port), wish(free_port, proto="udp")])) == 2


def test_a_taken_port_is_refused_and_the_others_are_given_back(
    allocator: PortAllocator, free_port: int
) -> None:
    allocator.allocate([wish(free_port)])
    expected = rf"^Bind for 0\.0\.0\.0:{free_port} failed: port is already allocated$"
    with pytest.raises(SystemFailure, match=expected):
        allocator.allocate([wish(free_port, proto="udp"), wish(free_port, "0.0.0.0")])
    assert allocator.allocate([wish(free_port, proto="udp")])


def test_a_port_of_another_program(allocator: PortAllocator, free_port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        with pytest.raises(SystemFailure) as caught:
            allocator.allocate([wish(free_port)])
    assert str(caught.value) == (
        f"failed to bind port 127.0.0.1:{free_port}/tcp: Error starting userland proxy: "
        f"listen tcp4 127.0.0.1:{free_port}: bind: address already in use"
    )


def test_an_address_that_is_not_the_hosts(allocator: PortAllocator) -> None:
    with pytest.raises(SystemFailure, match=r"bind: cannot assign requested address$"):
        allocator.allocate([wish(8080, "192.0.2.77")])


def test_connections_in_time_wait_do_not_hold_a_port(allocator: PortAllocator) -> None:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        served, _ = listening.accept()
        served.close()  # the server's side closes first and lingers
        client.recv(1)
        client.close()
    assert allocator.allocate([wish(port)])


def test_random_ports_differ(allocator: PortAllocator) -> None:
    taken = allocator.allocate([wish(0), wish(0), wish(0)])
    assert len({binding.host_port for binding in taken}) == 3


def test_reserving_after_a_restart(allocator: PortAllocator, free_port: int) -> None:
    binding = PortBinding(80, "tcp", "127.0.0.1", free_port)
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        assert allocator.reserve([binding]) == [binding]
    with pytest.raises(SystemFailure, match="already allocated"):
        allocator.allocate([wish(free_port)])
