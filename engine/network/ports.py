"""Published ports: what is asked for, which host ports that becomes, and keeping them ours.

A host port is held by a socket bound to it, not listening: no other program can take the port
while it is published, and the kernel tells at once if one has it already. Packets never reach the
socket; the firewall sends them to the container first.
"""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.driverapi.network import PortBinding
from engine.errdefs import InvalidParameter, SystemFailure, Unsupported

ANY = "0.0.0.0"
PROTOCOLS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM, "sctp": socket.SOCK_STREAM}


@dataclass(frozen=True, slots=True)
class PortRequest:
    """One wish: `first` to `last` are the host ports that will do, 0 for any free one."""

    container_port: int
    proto: str
    host_ip: str
    first: int
    last: int


def parse_port(spec: str) -> tuple[int, str]:
    """``80/tcp`` or ``80`` → ``(80, "tcp")``; InvalidParameter."""
    number, _, proto = spec.partition("/")
    proto = (proto or "tcp").lower()
    if not number.isdigit() or not 0 < int(number) < 65536:
        raise InvalidParameter(f"invalid port specification: {spec!r}")
    if proto not in PROTOCOLS:
        raise InvalidParameter(f"invalid proto: {proto}")
    return int(number), proto


def _host_range(text: str) -> tuple[int, int]:
    if text in ("", "0"):
        return 0, 0
    first, dash, last = text.partition("-")
    if not first.isdigit() or (dash and not last.isdigit()):
        raise InvalidParameter(f"invalid port specification: {text!r}")
    low, high = int(first), int(last or first)
    if not (0 < low <= high < 65536):
        raise InvalidParameter(f"invalid port specification: {text!r}")
    return low, high


def requests(
    exposed: Iterable[str],
    bindings: Mapping[str, list[dict[str, str]] | None],
    publish_all: bool,
    default_ip: str = ANY,
) -> list[PortRequest]:
    """All wishes of a container, fixed host ports first so that random ones can't take them."""
    found: list[PortRequest] = []
    for spec, wishes in bindings.items():
        port, proto = parse_port(spec)
        for wish in wishes or []:
            host_ip = wish.get("HostIp") or default_ip
            if ":" in host_ip:
                raise Unsupported(
                    f"cannot publish {spec} on {host_ip}: IPv6 host addresses are not supported"
                )
            first, last = _host_range(str(wish.get("HostPort") or ""))
            found.append(PortRequest(port, proto, host_ip, first, last))
        if not wishes and spec not in exposed:
            found.append(PortRequest(port, proto, default_ip, 0, 0))
    if publish_all:
        asked = {(request.container_port, request.proto) for request in found}
        for spec in exposed:
            port, proto = parse_port(spec)
            if (port, proto) not in asked:
                found.append(PortRequest(port, proto, default_ip, 0, 0))
    return sorted(found, key=lambda request: request.first == 0)


def to_api(exposed: Iterable[str], ports: Iterable[PortBinding]) -> dict[str, list[dict[str, str]] | None]:
    """NetworkSettings.Ports: exposed ports that are not published have None."""
    table: dict[str, list[dict[str, str]] | None] = {}
    for spec in exposed:
        port, proto = parse_port(spec)
        table[f"{port}/{proto}"] = None
    for binding in ports:
        key = f"{binding.container_port}/{binding.proto}"
        entry = {"HostIp": binding.host_ip or ANY, "HostPort": str(binding.host_port)}
        table[key] = [*(table.get(key) or []), entry]
    return table


class PortAllocator:
    """The host ports that are published by this daemon, each with the socket that holds it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[tuple[str, int], dict[str, socket.socket | None]] = {}
        self._low, self._high = _ephemeral_range()
        self._next = self._low

    def allocate(self, wishes: Iterable[PortRequest]) -> tuple[PortBinding, ...]:
        """Host ports for all wishes, or SystemFailure with dockerd's words and none taken."""
        taken: list[PortBinding] = []
        try:
            with self._lock:
                for wish in wishes:
                    taken.append(self._one(wish))
        except BaseException:
            self.release(taken)
            raise
        return tuple(taken)

    def reserve(self, bindings: Iterable[PortBinding]) -> list[PortBinding]:
        """Take ports that are published already (daemon restart); returns those another program has now."""
        lost = []
        with self._lock:
            for binding in bindings:
                try:
                    sock = _bind(binding.proto, binding.host_ip, binding.host_port)
                except OSError:
                    sock = None
                    lost.append(binding)
                self._held.setdefault((binding.proto, binding.host_port), {})[binding.host_ip] = sock
        return lost

    def release(self, bindings: Iterable[PortBinding]) -> None:
        """Give ports back; one that is not held is no error."""
        with self._lock:
            for binding in bindings:
                key = (binding.proto, binding.host_port)
                by_address = self._held.get(key, {})
                sock = by_address.pop(binding.host_ip, None)
                if sock is not None:
                    sock.close()
                if not by_address:
                    self._held.pop(key, None)

    def close(self) -> None:
        """Close all sockets; the rules that publish the ports stay."""
        with self._lock:
            for by_address in self._held.values():
                for sock in by_address.values():
                    if sock is not None:
                        sock.close()
            self._held.clear()

    def _one(self, wish: PortRequest) -> PortBinding:
        if wish.first == 0:
            return self._any(wish)
        problem: SystemFailure | None = None
        for port in range(wish.first, wish.last + 1):
            try:
                return self._take(wish, port)
            except SystemFailure as exc:
                problem = problem or exc
        if wish.first == wish.last and problem is not None:
            raise problem
        raise SystemFailure(
            f"Bind for {wish.host_ip}:{wish.first} failed: all ports of the range "
            f"{wish.first}-{wish.last} are allocated"
        )

    def _any(self, wish: PortRequest) -> PortBinding:
        for _ in range(self._low, self._high + 1):
            port = self._next
            self._next = self._low if port >= self._high else port + 1
            try:
                return self._take(wish, port)
            except SystemFailure:
                continue
        raise SystemFailure(f"all ports of the range {self._low}-{self._high} are allocated")

    def _take(self, wish: PortRequest, port: int) -> PortBinding:
        by_address = self._held.get((wish.proto, port), {})
        if wish.host_ip in by_address or ANY in by_address or (by_address and wish.host_ip == ANY):
            raise SystemFailure(f"Bind for {wish.host_ip}:{port} failed: port is already allocated")
        try:
            sock = _bind(wish.proto, wish.host_ip, port)
        except OSError as exc:
            word = "cannot assign requested address" if exc.errno == errno.EADDRNOTAVAIL else ""
            reason = word or _reason(exc)
            raise SystemFailure(
                f"failed to bind port {wish.host_ip}:{port}/{wish.proto}: Error starting userland proxy: "
                f"listen {wish.proto}4 {wish.host_ip}:{port}: bind: {reason}"
            ) from exc
        self._held.setdefault((wish.proto, port), {})[wish.host_ip] = sock
        return PortBinding(wish.container_port, wish.proto, wish.host_ip, port)


def _reason(exc: OSError) -> str:
    return (exc.strerror or str(exc)).lower()


def _bind(proto: str, host_ip: str, port: int) -> socket.socket | None:
    """A socket on the host port. None for sctp where the kernel has none: the port is then only noted."""
    number = socket.IPPROTO_SCTP if proto == "sctp" else 0
    try:
        sock = socket.socket(socket.AF_INET, PROTOCOLS[proto] | socket.SOCK_CLOEXEC, number)
    except OSError:
        if proto == "sctp":
            return None
        raise
    try:
        # Without SO_REUSEADDR nobody can bind beside us. It is tried second, for a port on which
        # only connections of an earlier server linger in TIME_WAIT.
        try:
            sock.bind((host_ip, port))
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE or proto != "tcp":
                raise
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host_ip, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _ephemeral_range() -> tuple[int, int]:
    """The kernel's range for outgoing connections: where dockerd takes random ports from too."""
    try:
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    except OSError:
        return 32768, 60999
    return int(low), int(high)
