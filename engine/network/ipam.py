"""Choosing subnets and addresses; pure. Addresses are ints inside, text outside.

The pools are dockerd's: 172.17.0.0/16 … 172.31.0.0/16, then 192.168.0.0/20 … 192.168.240.0/20.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from engine.errdefs import Forbidden, InvalidParameter

DEFAULT_POOLS: tuple[IPv4Network, ...] = (
    *(IPv4Network(f"172.{second}.0.0/16") for second in range(17, 32)),
    *(IPv4Network(f"192.168.{third}.0/20") for third in range(0, 256, 16)),
)


def parse_network(text: str) -> IPv4Network:
    """``10.1.0.0/16``, host bits forgiven; InvalidParameter."""
    try:
        return IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError) as exc:
        raise InvalidParameter(f"invalid subnet {text}: invalid CIDR address: {text}") from exc


def parse_address(text: str) -> IPv4Address:
    """``10.1.0.5``; InvalidParameter."""
    try:
        return IPv4Address(text)
    except (AddressValueError, ValueError) as exc:
        raise InvalidParameter(f"invalid IPv4 address: {text}") from exc


def pick_subnet(taken: Iterable[IPv4Network], pools: Iterable[IPv4Network] = DEFAULT_POOLS) -> IPv4Network:
    """The first pool that overlaps nothing taken; Forbidden when all do."""
    occupied = [network for network in taken if network.prefixlen > 0]
    for pool in pools:
        if not any(pool.overlaps(network) for network in occupied):
            return pool
    raise Forbidden(
        "could not find an available, non-overlapping IPv4 address pool among the defaults "
        "to assign to the network"
    )


def check_free(subnet: IPv4Network, taken: Iterable[IPv4Network]) -> None:
    """Forbidden if another network of ours has part of `subnet`."""
    if any(subnet.overlaps(network) for network in taken):
        raise Forbidden("Pool overlaps with other one on this address space")


def default_gateway(subnet: IPv4Network, pool: IPv4Network | None = None) -> IPv4Address:
    """The first usable address of the range that addresses are taken from."""
    return IPv4Address(next(_candidates(subnet, pool or subnet)))


def pick_address(subnet: IPv4Network, pool: IPv4Network, taken: Collection[int]) -> IPv4Address:
    """The lowest free address of `pool`, a part of `subnet`; Forbidden when there is none."""
    for number in _candidates(subnet, pool):
        if number not in taken:
            return IPv4Address(number)
    raise Forbidden("no available IPv4 addresses on this network's address pools")


def claim_address(subnet: IPv4Network, address: IPv4Address, taken: Collection[int]) -> IPv4Address:
    """A given address, if it lies in `subnet` and is free."""
    if address not in subnet:
        raise InvalidParameter(
            f"invalid endpoint settings:\nno configured subnet or ip-range contain the IP address {address}"
        )
    if int(address) in taken or address in (subnet.network_address, subnet.broadcast_address):
        raise Forbidden("Address already in use")
    return address


def mac_of(address: IPv4Address) -> str:
    """The locally administered MAC that dockerd derives from an address: 02:42:ac:11:00:02."""
    return "02:42:" + ":".join(f"{byte:02x}" for byte in address.packed)


def _candidates(subnet: IPv4Network, pool: IPv4Network) -> Iterator[int]:
    """Host addresses of `pool` in order, lazily; a /31 or /32 has no network and broadcast address."""
    reserved = (
        {int(subnet.network_address), int(subnet.broadcast_address)} if subnet.prefixlen < 31 else set()
    )
    for number in range(int(pool.network_address), int(pool.broadcast_address) + 1):
        if number not in reserved:
            yield number
