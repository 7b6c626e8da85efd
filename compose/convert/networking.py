"""Networks and ports of a service → what the Engine API wants of them."""

from __future__ import annotations

from typing import Any

from compose.model import Body, Project


def ordered_networks(body: Body) -> list[str]:
    """The networks of a service, the one that `create` joins first: by priority, then by name."""
    networks = body.get("networks") or {}
    return sorted(networks, key=lambda name: (-float((networks[name] or {}).get("priority") or 0), name))


def endpoint_config(body: Body, service: str, network: str, links: list[str]) -> dict[str, Any]:
    """EndpointSettings of one network. On it the container answers to the service's name and aliases."""
    options = (body.get("networks") or {}).get(network) or {}
    aliases = [service, *options.get("aliases", ())]
    result: dict[str, Any] = {"Aliases": list(dict.fromkeys(aliases))}
    ipam = {
        **({"IPv4Address": options["ipv4_address"]} if options.get("ipv4_address") else {}),
        **({"IPv6Address": options["ipv6_address"]} if options.get("ipv6_address") else {}),
        **({"LinkLocalIPs": options["link_local_ips"]} if options.get("link_local_ips") else {}),
    }
    if ipam:
        result["IPAMConfig"] = ipam
    if links:
        result["Links"] = links
    if options.get("mac_address"):
        result["MacAddress"] = options["mac_address"]
    if options.get("driver_opts"):
        result["DriverOpts"] = options["driver_opts"]
    if options.get("gw_priority"):
        result["GwPriority"] = int(options["gw_priority"])
    return result


def ports(body: Body) -> tuple[dict[str, Any], dict[str, list[dict[str, str]]]]:
    """ExposedPorts and PortBindings."""
    exposed: dict[str, Any] = {}
    bindings: dict[str, list[dict[str, str]]] = {}
    for item in body.get("expose") or ():
        text, _, protocol = item.partition("/")
        first, _, last = text.partition("-")
        for port in range(int(first), int(last or first) + 1):
            exposed[f"{port}/{protocol or 'tcp'}"] = {}
    for port in body.get("ports") or ():
        key = f"{port['target']}/{port['protocol']}"
        exposed[key] = {}
        bindings.setdefault(key, []).append(
            {"HostIp": port.get("host_ip", ""), "HostPort": port.get("published", "")}
        )
    return exposed, bindings


def network_request(project: Project, key: str, labels: dict[str, str]) -> dict[str, Any]:
    """The body of POST /networks/create."""
    network = project.networks[key]
    request: dict[str, Any] = {
        "Name": network["name"],
        "CheckDuplicate": True,
        "Driver": network.get("driver") or "bridge",
        "Options": network.get("driver_opts") or {},
        "Internal": bool(network.get("internal")),
        "Attachable": bool(network.get("attachable")),
        "Labels": {**(network.get("labels") or {}), **labels},
    }
    if network.get("enable_ipv6"):
        request["EnableIPv6"] = True
    if "enable_ipv4" in network:
        request["EnableIPv4"] = network["enable_ipv4"]
    ipam = network.get("ipam")
    if ipam:
        request["IPAM"] = {
            "Driver": ipam.get("driver") or "default",
            "Options": ipam.get("options") or {},
            "Config": [_pool(pool) for pool in ipam.get("config") or ()],
        }
    return request


def _pool(pool: dict[str, Any]) -> dict[str, Any]:
    names = {
        "subnet": "Subnet",
        "ip_range": "IPRange",
        "gateway": "Gateway",
        "aux_addresses": "AuxiliaryAddresses",
    }
    return {field: pool[key] for key, field in names.items() if pool.get(key)}
