"""`POST /networks/create` read and judged: from the API's body to a Network record."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any

import msgspec

from engine.errdefs import Forbidden, InvalidParameter, NotFound, Unavailable, Unsupported
from engine.network import ipam
from engine.network.model import BRIDGE, DEFAULT, HOST, NONE, IpamPool, Network

BRIDGE_NAME = "com.docker.network.bridge.name"


class IpamConfig(msgspec.Struct, rename={"auxiliary": "AuxiliaryAddresses", "range": "IPRange"}):
    """One member of IPAM.Config."""

    subnet: str | None = msgspec.field(default="", name="Subnet")
    range: str | None = ""
    gateway: str | None = msgspec.field(default="", name="Gateway")
    auxiliary: dict[str, str] | None = None


class Ipam(msgspec.Struct, rename="pascal"):
    """IPAM."""

    driver: str | None = "default"
    config: list[IpamConfig] | None = None
    options: dict[str, str] | None = None


class CreateNetwork(msgspec.Struct, rename="pascal"):
    """The body. Members that name what this engine lacks are read so that they can be refused."""

    name: str
    driver: str | None = BRIDGE
    internal: bool | None = False
    attachable: bool | None = False
    ingress: bool | None = False
    enable_ipv6: bool | None = msgspec.field(default=False, name="EnableIPv6")
    ipam: Ipam | None = msgspec.field(default=None, name="IPAM")
    options: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    config_only: bool | None = False
    config_from: dict[str, Any] | None = None
    scope: str | None = ""


def parse(body: dict[str, Any]) -> CreateNetwork:
    """The body as a struct; InvalidParameter naming the member at fault."""
    try:
        return msgspec.convert(body, CreateNetwork)
    except msgspec.ValidationError as exc:
        raise InvalidParameter(f"invalid JSON: {exc}") from exc


def check(request: CreateNetwork) -> None:
    """Refuse bad names, and what only a swarm manager or a later engine does."""
    name = request.name
    if name in (BRIDGE, HOST, NONE, DEFAULT):
        raise Forbidden(f"operation is not permitted on predefined {name} network ")
    if not name.strip():
        raise InvalidParameter("invalid name: name is empty")
    if request.scope == "swarm" or request.ingress:
        raise Forbidden("cannot create a swarm scoped network when swarm is not active")
    if request.driver == "overlay":
        raise Unavailable(
            'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
            "to connect this node to swarm and try again."
        )
    if request.ipam and request.ipam.driver not in (None, "", "default"):
        raise NotFound(f'plugin "{request.ipam.driver}" not found')
    if request.config_only or (request.config_from or {}).get("Network"):
        raise Unsupported("config-only networks are not supported")
    if request.enable_ipv6:
        raise Unsupported("IPv6 networks are not supported by this engine: leave EnableIPv6 out")


def check_bridge_name(request: CreateNetwork, networks: Iterable[Network]) -> None:
    """Forbidden if another network's bridge has the name asked for."""
    wanted = (request.options or {}).get(BRIDGE_NAME)
    for other in networks:
        if wanted and other.options.get(BRIDGE_NAME) == wanted:
            raise Forbidden(
                f"cannot create network {request.name} ({wanted}): conflicts with network {other.id} "
                f"({wanted}): networks have same bridge name"
            )


def pools(
    configs: Iterable[IpamConfig], ours: Iterable[IPv4Network], host: Iterable[IPv4Network]
) -> tuple[IpamPool, ...]:
    """The network's subnet: the one asked for if it is free among `ours`, else one that `host` lacks too."""
    found = []
    for config in configs:
        if ":" in (config.subnet or ""):
            raise Unsupported(f"IPv6 subnets are not supported by this engine: {config.subnet}")
        if config.subnet:
            found.append(_given(config, ours))
        elif config.range or config.gateway:
            raise InvalidParameter("every ip-range or gateway must have a corresponding subnet")
    if len(found) > 1:
        raise InvalidParameter("bridge driver doesn't support multiple subnets")
    if found:
        return tuple(found)
    subnet = ipam.pick_subnet([*ours, *host])
    return (IpamPool(str(subnet), str(ipam.default_gateway(subnet))),)


def _given(config: IpamConfig, ours: Iterable[IPv4Network]) -> IpamPool:
    subnet = ipam.parse_network(config.subnet or "")
    if subnet.prefixlen > 30:
        raise InvalidParameter(f"invalid subnet {subnet}: no room for a gateway and a container")
    ipam.check_free(subnet, ours)
    part = ipam.parse_network(config.range) if config.range else subnet
    if not part.subnet_of(subnet):
        raise InvalidParameter(f"no matching subnet for range {part}")
    # A range is for containers; the gateway is the first address of the whole, as dockerd has it,
    # unless the range begins there.
    gateway = ipam.parse_address(config.gateway) if config.gateway else ipam.default_gateway(subnet)
    if gateway not in subnet:
        raise InvalidParameter(f"no matching subnet for gateway {gateway}")
    for name, text in (config.auxiliary or {}).items():
        if ipam.parse_address(text) not in subnet:
            raise InvalidParameter(f"no matching subnet for aux-address {text} ({name})")
    return IpamPool(
        str(subnet),
        str(gateway),
        str(part) if config.range else "",
        dict(config.auxiliary or {}),
        given=True,
    )


def network(request: CreateNetwork, chosen: tuple[IpamPool, ...]) -> Network:
    """The record, with a new id."""
    settings = request.ipam or Ipam()
    return Network(
        id=secrets.token_hex(32),
        name=request.name,
        driver=request.driver or BRIDGE,
        created=timestamp(),
        pools=chosen,
        internal=bool(request.internal),
        attachable=bool(request.attachable),
        options=dict(request.options or {}),
        labels=dict(request.labels or {}),
        ipam_driver=settings.driver or "default",
        ipam_options=settings.options if settings.options is not None else {},
    )


def timestamp() -> str:
    """Now, RFC 3339 with nanoseconds, UTC."""
    now = time.time_ns()
    whole = datetime.fromtimestamp(now // 1_000_000_000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{now % 1_000_000_000:09d}Z"
