"""Texts of a container's /etc/hosts and /etc/resolv.conf; pure but for reading the host's files.

Source: what dockerd writes; resolv.conf(5), hosts(5).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from engine.errdefs import InvalidParameter

LOCAL = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
EMBEDDED = "127.0.0.11"
FALLBACK = ("8.8.8.8", "8.8.4.4")
HOST_GATEWAY = "host-gateway"


@dataclass(frozen=True)
class ResolvConf:
    """The three kinds of lines that matter."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def text(self) -> str:
        """As a file."""
        lines = [f"nameserver {server}" for server in self.servers]
        if self.search and self.search != (".",):
            lines.append("search " + " ".join(self.search))
        if self.options:
            lines.append("options " + " ".join(self.options))
        return "\n".join(lines) + "\n"

    def overlaid(self, servers: Sequence[str], search: Sequence[str], options: Sequence[str]) -> ResolvConf:
        """With what is given in place of its own; empty keeps."""
        return ResolvConf(
            tuple(servers) or self.servers, tuple(search) or self.search, tuple(options) or self.options
        )

    def without_loopback(self) -> ResolvConf:
        """For a container that asks the servers itself: the host's loopback is not its own."""
        usable = tuple(server for server in self.servers if not _is_loopback(server))
        return ResolvConf(usable or FALLBACK, self.search, self.options)

    def embedded(self) -> ResolvConf:
        """For a container that asks the embedded server, which knows `servers`."""
        kept = tuple(option for option in self.options if not option.startswith("ndots:"))
        ndots = tuple(option for option in self.options if option.startswith("ndots:"))
        return ResolvConf((EMBEDDED,), self.search, (*kept, *(ndots or ("ndots:0",))))


def parse_resolv_conf(text: str) -> ResolvConf:
    """Read a file; the last search or domain line counts, comments and other keywords do not."""
    servers: list[str] = []
    search: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split(";", 1)[0].split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver":
            servers.append(words[1])
        elif words[0] in ("search", "domain"):
            search = tuple(words[1:])
        elif words[0] == "options":
            options.extend(words[1:])
    return ResolvConf(tuple(servers), search, tuple(options))


def host_resolv_conf(path: Path = Path("/etc/resolv.conf")) -> ResolvConf:
    """The host's; where it only names systemd-resolved's stub, the servers behind that."""
    try:
        found = parse_resolv_conf(path.read_text())
        if found.servers == ("127.0.0.53",):
            found = parse_resolv_conf(Path("/run/systemd/resolve/resolv.conf").read_text())
    except OSError:
        return ResolvConf()
    return found


def hosts_text(names: Iterable[tuple[str, Sequence[str]]], extra: Iterable[tuple[str, str]]) -> str:
    """names: address and its names, of the container itself; extra: name and address, as added by users."""
    own = "".join(f"{address}\t{' '.join(aliases)}\n" for address, aliases in names)
    added = "".join(f"{address}\t{name}\n" for name, address in extra)
    return LOCAL + added + own


def revised_hosts(current: str, before: str, after: str) -> str:
    """/etc/hosts of a running container whose networks change; lines of its own making stay."""
    old, new = before.splitlines(), after.splitlines()
    kept = [line for line in current.splitlines() if line not in old or line in new]
    return "\n".join([*kept, *(line for line in new if line not in kept)]) + "\n"


def revised_resolv_conf(current: str, before: str, after: str) -> str:
    """/etc/resolv.conf of a running container whose networks change, unless it has written its own."""
    return after if current == before else current


def own_names(hostname: str, domainname: str) -> tuple[str, ...]:
    """How a container calls itself: ``host.domain host``."""
    if domainname:
        return (f"{hostname}.{domainname}", hostname)
    short, dot, _ = hostname.partition(".")
    return (hostname, short) if dot else (hostname,)


def parse_extra_hosts(entries: Iterable[str], gateway: str) -> list[tuple[str, str]]:
    """``name:ip`` or ``name=ip`` → name and address, "host-gateway" being `gateway`; InvalidParameter."""
    found = []
    for entry in entries:
        name, colon, address = entry.partition("=" if "=" in entry else ":")
        if not colon or not name:
            raise InvalidParameter(f"bad format for add-host: {entry!r}")
        if address == HOST_GATEWAY:
            if not gateway:
                raise InvalidParameter(
                    'unable to derive the IP value for host-gateway: set the option "host-gateway-ip"'
                )
            address = gateway
        try:
            ip_address(address.strip("[]"))
        except ValueError as exc:
            raise InvalidParameter(f"invalid IP address in add-host: {address!r}") from exc
        found.append((name, address.strip("[]")))
    return found


def _is_loopback(server: str) -> bool:
    try:
        return ip_address(server.partition("%")[0]).is_loopback
    except ValueError:
        return False
