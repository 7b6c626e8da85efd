"""Published ports: ``[[IP:]HOST[-END]:]CONTAINER[-END][/PROTOCOL]`` and the long form."""

from __future__ import annotations

import re
from typing import Any

from compose.loader.units import to_int

_SHORT = re.compile(
    r"(?:(?:(?P<ip>\[[0-9a-fA-F:.%]+\]|[^\[\]/]*?):)?(?P<host>[0-9]*(?:-[0-9]+)?):)?"
    r"(?P<target>[0-9]+(?:-[0-9]+)?)(?:/(?P<protocol>[a-zA-Z]+))?\Z"
)

Port = dict[str, Any]


def parse_short(value: Any) -> list[Port]:
    """The ports of a short form, in canonical form; ValueError says what is wrong."""
    text = str(value).strip()
    match = _SHORT.match(text)
    if not match:
        raise ValueError(
            f'is no valid port: "{text}" (expected [[IP:]HOST[-END]:]CONTAINER[-END][/PROTOCOL])'
        )
    protocol = (match["protocol"] or "tcp").lower()
    if protocol not in ("tcp", "udp", "sctp"):
        raise ValueError(f'has an invalid protocol: "{protocol}" (expected tcp, udp or sctp)')
    targets = _range(match["target"], text)
    published = _published(match["host"] or "", targets, text)
    ports = []
    for target, host in zip(targets, published, strict=True):
        port: Port = {"mode": "ingress"}
        if match["ip"]:
            port["host_ip"] = match["ip"].strip("[]")
        port["target"] = target
        if host:
            port["published"] = host
        port["protocol"] = protocol
        ports.append(port)
    return ports


def _range(text: str, whole: str) -> list[int]:
    first, _, last = text.partition("-")
    start, end = int(first), int(last or first)
    if not (0 < start <= end <= 65535):
        raise ValueError(f'is no valid port: "{whole}" (ports are 1 to 65535, a range ascends)')
    return list(range(start, end + 1))


def _published(text: str, targets: list[int], whole: str) -> list[str]:
    if not text:
        return [""] * len(targets)
    hosts = ["0"] if text == "0" else [str(port) for port in _range(text, whole)]
    if len(hosts) == len(targets):
        return hosts
    if len(targets) == 1:  # any free one of the range: the engine chooses
        return [text]
    raise ValueError(f'is no valid port: "{whole}" (the ranges differ in length)')


def canonical_long(value: Port) -> Port:
    """A long form with its defaults, in the same order of keys as a short one gives."""
    port: Port = {key: value[key] for key in ("name",) if key in value}
    port["mode"] = value.get("mode", "ingress")
    if value.get("host_ip"):
        port["host_ip"] = value["host_ip"]
    port["target"] = to_int(value["target"])
    if value.get("published") not in (None, ""):
        port["published"] = str(value["published"])
    port["protocol"] = str(value.get("protocol", "tcp")).lower()
    for key in value:
        if key == "app_protocol" or key.startswith("x-"):
            port[key] = value[key]
    return port


def canonical_port(value: Any) -> list[Port]:
    """The ports that an entry of either form means."""
    return [canonical_long(value)] if isinstance(value, dict) else parse_short(value)


def identity(port: Port) -> tuple[str, str, int, str]:
    """Two ports with the same identity are the same port; the later wins in a merge."""
    return port.get("host_ip", ""), port.get("published", ""), port["target"], port["protocol"]
