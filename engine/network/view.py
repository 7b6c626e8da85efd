"""Records in the API's shapes: the Network object, and a container's NetworkSettings."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from engine.api.filters import Filters
from engine.errdefs import InvalidParameter
from engine.network.model import Endpoint, Network

FILTERS = frozenset(("dangling", "driver", "id", "label", "name", "scope", "type"))
PRUNE_FILTERS = frozenset(("label", "label!", "until"))


def network_to_api(network: Network, endpoints: Iterable[Endpoint] = ()) -> dict[str, Any]:
    """The API's Network. Without endpoints it is an item of the list."""
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": network.created,
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": True,
        "EnableIPv6": network.ipv6,
        "IPAM": {
            "Driver": network.ipam_driver,
            "Options": network.ipam_options,
            "Config": [
                _pool(pool.subnet, pool.range, pool.gateway, pool.auxiliary) for pool in network.pools
            ],
        },
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": network.config_only,
        "Containers": {endpoint.container_id: _member(endpoint) for endpoint in endpoints},
        "Options": network.options,
        "Labels": network.labels,
    }


def _pool(subnet: str, part: str, gateway: str, auxiliary: dict[str, str]) -> dict[str, Any]:
    pool: dict[str, Any] = {"Subnet": subnet, "Gateway": gateway}
    if part:
        pool["IPRange"] = part
    if auxiliary:
        pool["AuxiliaryAddresses"] = auxiliary
    return pool


def _member(endpoint: Endpoint) -> dict[str, str]:
    return {
        "Name": endpoint.container_name,
        "EndpointID": endpoint.id,
        "MacAddress": endpoint.mac,
        "IPv4Address": endpoint.addresses[0] if endpoint.addresses else "",
        "IPv6Address": "",
    }


def endpoint_to_api(network: Network, endpoint: Endpoint) -> dict[str, Any]:
    """One value of NetworkSettings.Networks."""
    asked = endpoint.settings
    prefix = endpoint.addresses[0].partition("/")[2] if endpoint.addresses else "0"
    gateway = network.pools[0].gateway if network.pools and not network.internal else ""
    return {
        "IPAMConfig": asked.get("IPAMConfig"),
        "Links": asked.get("Links"),
        "Aliases": asked.get("Aliases"),
        "MacAddress": endpoint.mac,
        "DriverOpts": asked.get("DriverOpts"),
        "GwPriority": int(asked.get("GwPriority") or 0),
        "NetworkID": network.id,
        "EndpointID": endpoint.id,
        "Gateway": gateway if endpoint.addresses else "",
        "IPAddress": endpoint.ipv4,
        "IPPrefixLen": int(prefix),
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": list(endpoint.dns_names) or None,
    }


def selected(network: Network, in_use: bool, filters: Filters) -> bool:
    """Whether a network is in the list that `filters` ask for."""
    kind = "builtin" if network.predefined else "custom"
    for value in filters.get("type"):
        if value not in ("builtin", "custom"):
            raise InvalidParameter(f"invalid filter: 'type'='{value}'")
    if not set(filters.get("dangling")) <= {"true", "1", "false", "0"}:
        raise InvalidParameter(
            'invalid value for filter \'dangling\', must be "true" (or "1"), or "false" (or "0")'
        )
    return (
        filters.exact("driver", network.driver)
        and filters.prefix("id", network.id)
        and filters.match("name", network.name)
        and filters.labels(network.labels)
        and filters.exact("scope", "local")
        and filters.exact("type", kind)
        and ("dangling" not in filters or filters.boolean("dangling") == (not in_use and kind == "custom"))
    )


def prunable(network: Network, filters: Filters, now: float) -> bool:
    """Whether an unused network goes with a prune. now: seconds since the epoch."""
    if network.predefined:
        return False
    if not filters.labels(network.labels) or not filters.labels(network.labels, "label!"):
        return False
    created = datetime.fromisoformat(network.created[:26] + "+00:00").timestamp()
    return all(created < _moment(value, now) for value in filters.get("until"))


def _moment(text: str, now: float) -> float:
    """`until`: a Unix timestamp, an RFC 3339 time, or a Go duration before now (10m, 1h30m)."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        pass
    units = {"s": 1, "m": 60, "h": 3600}
    total, digits = 0.0, ""
    for char in text:
        if char.isdigit() or char == ".":
            digits += char
        elif char in units and digits:
            total, digits = total + float(digits) * units[char], ""
        else:
            raise InvalidParameter(f'failed to parse value as time or duration: "{text}"')
    if digits or not text:
        raise InvalidParameter(f'failed to parse value as time or duration: "{text}"')
    return now - total
