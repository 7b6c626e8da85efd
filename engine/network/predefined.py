"""The networks that are always there: bridge, host, none."""

from __future__ import annotations

import secrets
from ipaddress import AddressValueError, IPv4Interface, IPv4Network, NetmaskValueError
from typing import Protocol

import msgspec

from engine.errdefs import InvalidParameter
from engine.network import ipam
from engine.network.config import NetworkConfig
from engine.network.model import BRIDGE, HOST, NONE, IpamPool, Network
from engine.network.request import timestamp
from engine.network.store import NetworkStore


class Host(Protocol):
    """What is asked of the machine."""

    def routes(self) -> list[IPv4Network]:
        """Destinations of its routes."""
        ...

    def link_address(self, name: str) -> str:
        """The IPv4 address of a link in CIDR notation, "" if it has none or there is no such link."""
        ...


def networks(config: NetworkConfig, store: NetworkStore, host: Host) -> list[Network]:
    """The records as they shall be now; those of earlier starts keep their ids and chosen subnets."""
    found = []
    for name, driver in ((NONE, "null"), (HOST, "host")):
        known = store.find(name)
        found.append(known or Network(secrets.token_hex(32), name, driver, timestamp(), ipam_options=None))
    if config.bridge != "none":
        found.append(_bridge(config, store, host))
    return found


def _bridge(config: NetworkConfig, store: NetworkStore, host: Host) -> Network:
    known = store.find(BRIDGE)
    if config.bip:
        pool = _fixed(config.bip)
    elif address := host.link_address(config.bridge):
        pool = _fixed(address)  # the administrator's own bridge, or ours of an earlier start
    elif known is not None and known.pools:
        pool = known.pools[0]
    else:
        ours = [IPv4Network(p.subnet) for network in store.networks() for p in network.pools]
        subnet = ipam.pick_subnet([*ours, *host.routes()])
        pool = IpamPool(str(subnet), str(ipam.default_gateway(subnet)))
    options = {
        "com.docker.network.bridge.default_bridge": "true",
        "com.docker.network.bridge.enable_icc": str(config.icc).lower(),
        "com.docker.network.bridge.enable_ip_masquerade": "true",
        "com.docker.network.bridge.host_binding_ipv4": config.ip,
        "com.docker.network.bridge.name": config.bridge,
        "com.docker.network.driver.mtu": str(config.mtu),
    }
    if known is not None:
        if store.endpoints_on(known.id):
            pool = known.pools[0]  # containers live there: what is asked for comes at a later start
        return msgspec.structs.replace(known, pools=(pool,), options=options)
    return Network(
        secrets.token_hex(32), BRIDGE, "bridge", timestamp(), (pool,), options=options, ipam_options=None
    )


def _fixed(bip: str) -> IpamPool:
    try:
        interface = IPv4Interface(bip)
    except (AddressValueError, NetmaskValueError, ValueError) as exc:
        raise InvalidParameter(
            f"invalid --bip {bip!r}: give an address with a prefix length, 10.1.0.1/24"
        ) from exc
    if interface.network.prefixlen > 30:
        raise InvalidParameter(f"invalid --bip {bip!r}: the subnet has no room for containers")
    return IpamPool(str(interface.network), str(interface.ip))
