from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errdefs import Forbidden, InvalidParameter
from engine.network import ipam


def test_the_first_pool_that_overlaps_nothing_is_taken() -> None:
    assert str(ipam.pick_subnet([])) == "172.17.0.0/16"
    taken = [IPv4Network("172.17.5.0/24"), IPv4Network("172.18.0.0/15"), IPv4Network("0.0.0.0/0")]
    assert str(ipam.pick_subnet(taken)) == "172.20.0.0/16"


def test_small_pools_follow_the_large_ones() -> None:
    assert str(ipam.pick_subnet([IPv4Network("172.16.0.0/12")])) == "192.168.0.0/20"
    assert str(ipam.pick_subnet([IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/17")])) == (
        "192.168.128.0/20"
    )


def test_no_pool_is_left() -> None:
    with pytest.raises(Forbidden, match="non-overlapping IPv4 address pool"):
        ipam.pick_subnet(ipam.DEFAULT_POOLS)


def test_the_lowest_free_address_is_taken() -> None:
    subnet = IPv4Network("10.0.0.0/29")
    taken: set[int] = set()
    given_out = []
    for _ in range(6):
        address = ipam.pick_address(subnet, subnet, taken)
        taken.add(int(address))
        given_out.append(str(address))
    assert given_out == [f"10.0.0.{n}" for n in range(1, 7)]
    with pytest.raises(Forbidden, match="no available IPv4 addresses"):
        ipam.pick_address(subnet, subnet, taken)
    taken.remove(int(IPv4Address("10.0.0.3")))
    assert str(ipam.pick_address(subnet, subnet, taken)) == "10.0.0.3"


def test_a_range_is_kept_to() -> None:
    subnet, part = IPv4Network("10.0.0.0/24"), IPv4Network("10.0.0.254/31")
    assert str(ipam.pick_address(subnet, part, ())) == "10.0.0.254"
    with pytest.raises(Forbidden):
        ipam.pick_address(subnet, part, {int(IPv4Address("10.0.0.254"))})


@pytest.mark.parametrize("address", ["10.0.0.0", "10.0.0.255", "10.0.0.7"])
def test_a_given_address_must_be_free(address: str) -> None:
    with pytest.raises(Forbidden, match=r"^Address already in use$"):
        ipam.claim_address(IPv4Network("10.0.0.0/24"), IPv4Address(address), {int(IPv4Address("10.0.0.7"))})


def test_a_given_address_must_be_in_the_subnet() -> None:
    with pytest.raises(InvalidParameter, match=r"contain the IP address 10\.0\.1\.1$"):
        ipam.claim_address(IPv4Network("10.0.0.0/24"), IPv4Address("10.0.1.1"), ())


def test_overlap_with_our_own_networks() -> None:
    ours = [IPv4Network("10.0.0.0/16")]
    ipam.check_free(IPv4Network("10.1.0.0/16"), ours)
    with pytest.raises(Forbidden, match=r"^Pool overlaps with other one on this address space$"):
        ipam.check_free(IPv4Network("10.0.0.0/8"), ours)


def test_mac_addresses_are_made_of_addresses() -> None:
    assert ipam.mac_of(IPv4Address("172.17.0.2")) == "02:42:ac:11:00:02"


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "x", "10.0.0.0.0/8"])
def test_bad_subnets(text: str) -> None:
    with pytest.raises(InvalidParameter):
        ipam.parse_network(text)


@given(
    prefix=st.integers(16, 30),
    base=st.integers(0, 2**32 - 1),
    drop=st.lists(st.integers(0, 20), max_size=20),
)
def test_addresses_are_never_given_twice(prefix: int, base: int, drop: list[int]) -> None:
    subnet = IPv4Network((base, prefix), strict=False)
    taken: set[int] = set()
    for number in drop:
        try:
            address = ipam.pick_address(subnet, subnet, taken)
        except Forbidden:
            break
        assert int(address) not in taken
        assert address in subnet
        assert address not in (subnet.network_address, subnet.broadcast_address)
        taken.add(int(address))
        if number % 3 == 0 and len(taken) > 1:
            taken.discard(min(taken))
