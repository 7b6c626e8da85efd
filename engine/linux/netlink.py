"""rtnetlink: links, addresses and routes, as batches of messages on one socket.

A socket belongs to the network namespace of the thread that makes it. Messages are built by the
functions below and sent together: `sock.execute(message, …)` returns when the kernel has
acknowledged each, or raises OSError for the first that failed (those before it have taken effect).
Sources: netlink(7), rtnetlink(7), linux/if_link.h, linux/rtnetlink.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 270, 10, 11, 12
NLMSGERR_ATTR_MSG = 1

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26

IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER = 1, 3, 4, 5, 10
IFLA_LINKINFO, IFLA_IFALIAS, IFLA_NET_NS_FD = 18, 20, 28
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA = 1, 2, 4, 5
IFLA_BR_FORWARD_DELAY = 1
VETH_INFO_PEER = 1
IFLA_BRPORT_STATE, IFLA_BRPORT_MODE, IFLA_BRPORT_FLUSH, IFLA_BRPORT_ISOLATED = 1, 4, 24, 33
BR_STATE_DISABLED = 0
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST = 1, 2, 4
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_TABLE = 1, 4, 5, 15
NLA_F_NESTED = 0x8000
IFF_UP = 1
RT_TABLE_MAIN, RTPROT_BOOT, RT_SCOPE_UNIVERSE, RTN_UNICAST = 254, 3, 0, 1

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port id
_IFINFO = struct.Struct("=BxHiII")  # family, type, index, flags, change mask
_IFADDR = struct.Struct("=BBBBi")  # family, prefix length, flags, scope, index
_RTMSG = struct.Struct("=BBBBBBBBI")  # family, dst len, src len, tos, table, protocol, scope, type, flags


@dataclass(frozen=True, slots=True)
class Message:
    """One request without its header's length, sequence and port id."""

    type: int
    flags: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Link:
    """A link as the kernel reports it; master is the index of its bridge, 0 for none; alias: any text."""

    index: int
    name: str
    flags: int
    master: int
    kind: str
    alias: str = ""


class NetlinkSocket:
    """A route socket; not for use by two threads at once."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self._sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self._sock.bind((0, 0))
        self._sequence = 0

    def __enter__(self) -> NetlinkSocket:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def execute(self, *messages: Message) -> None:
        """Send changes in one go and wait for all their acknowledgements."""
        first = self._sequence + 1
        self._sock.sendall(b"".join(self._frame(message, NLM_F_ACK) for message in messages))
        last = self._sequence
        failure: OSError | None = None
        done = first - 1
        while done < last:
            for kind, flags, sequence, body in self._receive():
                if kind != NLMSG_ERROR or sequence < first:
                    continue
                done = sequence
                failure = failure or _error(flags, body)
        if failure:
            raise failure

    def query(self, message: Message) -> list[bytes]:
        """Bodies of the answers to a request: one object, or all of a dump."""
        framed = self._frame(message, 0)
        self._sock.sendall(framed)
        wanted = self._sequence
        dump = bool(message.flags & NLM_F_DUMP == NLM_F_DUMP)
        found: list[bytes] = []
        while True:
            for kind, flags, sequence, body in self._receive():
                if sequence != wanted:
                    continue
                if kind == NLMSG_ERROR:
                    failure = _error(flags, body)
                    if failure:
                        raise failure
                    return found
                if kind == NLMSG_DONE:
                    return found
                found.append(body)
                if not dump:
                    return found

    def link(self, name: str) -> Link | None:
        """The link called `name`, None if there is none."""
        request = Message(RTM_GETLINK, 0, _IFINFO.pack(0, 0, 0, 0, 0) + _string(IFLA_IFNAME, name))
        try:
            return _parse_link(self.query(request)[0])
        except OSError as exc:
            if exc.errno == 19:  # ENODEV
                return None
            raise

    def links(self) -> list[Link]:
        """All links of the namespace."""
        bodies = self.query(Message(RTM_GETLINK, NLM_F_DUMP, _IFINFO.pack(0, 0, 0, 0, 0)))
        return [_parse_link(body) for body in bodies]

    def addresses(self, index: int) -> list[str]:
        """IPv4 addresses of a link, in CIDR notation."""
        found = []
        for body in self.query(Message(RTM_GETADDR, NLM_F_DUMP, _IFADDR.pack(socket.AF_INET, 0, 0, 0, 0))):
            _, prefix, _, _, link = _IFADDR.unpack_from(body)
            attrs = dict(_attributes(body, _IFADDR.size))
            address = attrs.get(IFA_LOCAL) or attrs.get(IFA_ADDRESS)
            if link == index and address:
                found.append(f"{socket.inet_ntop(socket.AF_INET, address)}/{prefix}")
        return found

    def routes(self) -> list[str]:
        """Destinations of the main table's IPv4 routes in CIDR notation, the default route left out."""
        body = _RTMSG.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
        found = []
        for answer in self.query(Message(RTM_GETROUTE, NLM_F_DUMP, body)):
            fields = _RTMSG.unpack_from(answer)
            attrs = dict(_attributes(answer, _RTMSG.size))
            table = struct.unpack("=I", attrs[RTA_TABLE])[0] if RTA_TABLE in attrs else fields[4]
            if table == RT_TABLE_MAIN and RTA_DST in attrs:
                found.append(f"{socket.inet_ntop(socket.AF_INET, attrs[RTA_DST])}/{fields[1]}")
        return found

    def _frame(self, message: Message, extra: int) -> bytes:
        self._sequence += 1
        length = _HEADER.size + len(message.body)
        flags = NLM_F_REQUEST | extra | message.flags
        return _HEADER.pack(length, message.type, flags, self._sequence, 0) + message.body

    def _receive(self) -> Iterator[tuple[int, int, int, bytes]]:
        data = self._sock.recv(65536)
        offset = 0
        while offset + _HEADER.size <= len(data):
            length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
            yield kind, flags, sequence, data[offset + _HEADER.size : offset + length]
            offset += (length + 3) & ~3


def veth(
    name: str, peer: str, *, peer_ns: int, peer_mac: str, mtu: int, master: int, isolated: bool
) -> list[Message]:
    """A veth pair: `name` here, up, on bridge `master`; `peer`, down, in the namespace of fd `peer_ns`.

    The port is in hairpin mode: where br_netfilter is loaded, a container's connection to its own
    published port goes back out of the port it came from. isolated: it passes nothing to other
    isolated ports. The peer can't be set up at once: the kernel configures it before it has joined
    the two ends (drivers/net/veth.c, veth_open: ENOTCONN).
    """
    inner = (
        _IFINFO.pack(0, 0, 0, 0, 0)
        + _string(IFLA_IFNAME, peer)
        + _attr(IFLA_ADDRESS, _mac(peer_mac))
        + _u32(IFLA_MTU, mtu)
        + _u32(IFLA_NET_NS_FD, peer_ns)
    )
    info = _string(IFLA_INFO_KIND, "veth") + _nest(IFLA_INFO_DATA, _attr(VETH_INFO_PEER, inner))
    body = (
        _IFINFO.pack(0, 0, 0, IFF_UP, IFF_UP)
        + _string(IFLA_IFNAME, name)
        + _u32(IFLA_MTU, mtu)
        + _u32(IFLA_MASTER, master)
        + _nest(IFLA_LINKINFO, info)
    )
    port = _attr(IFLA_BRPORT_MODE, b"\x01") + _attr(IFLA_BRPORT_ISOLATED, bytes((isolated,)))
    return [Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body), _bridge_port(name, port)]


def port_disable(name: str) -> Message:
    """Let a bridge port pass nothing more and forget the addresses learned on it.

    Unlike deleting the link or setting it down this waits for no grace period (20 ms each).
    """
    state = _attr(IFLA_BRPORT_STATE, bytes((BR_STATE_DISABLED,)))
    return _bridge_port(name, state + _attr(IFLA_BRPORT_FLUSH, b""))


def _bridge_port(name: str, options: bytes) -> Message:
    info = _string(IFLA_INFO_SLAVE_KIND, "bridge") + _nest(IFLA_INFO_SLAVE_DATA, options)
    attrs = _string(IFLA_IFNAME, name) + _nest(IFLA_LINKINFO, info)
    return Message(RTM_NEWLINK, 0, _IFINFO.pack(0, 0, 0, 0, 0) + attrs)


def bridge(name: str, *, mac: str, mtu: int, alias: str = "") -> list[Message]:
    """A new bridge without forward delay, up."""
    data = _u32(IFLA_BR_FORWARD_DELAY, 0)
    info = _string(IFLA_INFO_KIND, "bridge") + _nest(IFLA_INFO_DATA, data)
    attrs = (
        _string(IFLA_IFNAME, name)
        + _attr(IFLA_ADDRESS, _mac(mac))
        + _u32(IFLA_MTU, mtu)
        + _nest(IFLA_LINKINFO, info)
    )
    flags = NLM_F_CREATE | NLM_F_EXCL
    messages = [Message(RTM_NEWLINK, flags, _IFINFO.pack(0, 0, 0, IFF_UP, IFF_UP) + attrs)]
    if alias:  # the kernel takes it for a link that exists only
        named = _string(IFLA_IFNAME, name) + _attr(IFLA_IFALIAS, alias.encode())
        messages.append(Message(RTM_NEWLINK, 0, _IFINFO.pack(0, 0, 0, 0, 0) + named))
    return messages


def link_up(index: int) -> Message:
    """Set a link up."""
    return Message(RTM_NEWLINK, 0, _IFINFO.pack(0, 0, index, IFF_UP, IFF_UP))


def link_delete(name: str) -> Message:
    """Delete a link by name."""
    return Message(RTM_DELLINK, 0, _IFINFO.pack(0, 0, 0, 0, 0) + _string(IFLA_IFNAME, name))


def address_add(index: int, cidr: str) -> Message:
    """Give a link an IPv4 address; the same one again is no error."""
    text, _, prefix = cidr.partition("/")
    address = socket.inet_aton(text)
    hosts = (1 << (32 - int(prefix))) - 1
    broadcast = struct.pack("!I", struct.unpack("!I", address)[0] | hosts)
    attrs = _attr(IFA_LOCAL, address) + _attr(IFA_ADDRESS, address)
    if hosts > 1:
        attrs += _attr(IFA_BROADCAST, broadcast)
    body = _IFADDR.pack(socket.AF_INET, int(prefix), 0, RT_SCOPE_UNIVERSE, index) + attrs
    return Message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, body)


def address_delete(index: int, cidr: str) -> Message:
    """Take an IPv4 address from a link."""
    text, _, prefix = cidr.partition("/")
    attrs = _attr(IFA_LOCAL, socket.inet_aton(text))
    return Message(RTM_DELADDR, 0, _IFADDR.pack(socket.AF_INET, int(prefix), 0, 0, index) + attrs)


def default_route(gateway: str) -> Message:
    """Set the IPv4 default route of the main table, in place of an earlier one."""
    body = _RTMSG.pack(socket.AF_INET, 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, RT_SCOPE_UNIVERSE, RTN_UNICAST, 0)
    return Message(
        RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body + _attr(RTA_GATEWAY, socket.inet_aton(gateway))
    )


def default_route_delete() -> Message:
    """Delete the IPv4 default route of the main table."""
    return Message(RTM_DELROUTE, 0, _RTMSG.pack(socket.AF_INET, 0, 0, 0, RT_TABLE_MAIN, 0, 0, 0, 0))


def _error(flags: int, body: bytes) -> OSError | None:
    code = -struct.unpack_from("=i", body)[0]
    if code == 0:
        return None
    detail = ""
    if flags & NLM_F_ACK_TLVS:
        # The request's header comes back before the attributes (and its payload, unless capped).
        start = 4 + (_HEADER.size if flags & NLM_F_CAPPED else struct.unpack_from("=I", body, 4)[0])
        text = dict(_attributes(body, start)).get(NLMSGERR_ATTR_MSG, b"")
        detail = text.rstrip(b"\0").decode(errors="replace")
    return OSError(code, detail or os.strerror(code))


def _parse_link(body: bytes) -> Link:
    _, _, index, flags, _ = _IFINFO.unpack_from(body)
    attrs = dict(_attributes(body, _IFINFO.size))
    master = struct.unpack("=I", attrs[IFLA_MASTER])[0] if IFLA_MASTER in attrs else 0
    info = dict(_attributes(attrs.get(IFLA_LINKINFO, b""), 0))
    kind = info.get(IFLA_INFO_KIND, b"").rstrip(b"\0").decode()
    alias = attrs.get(IFLA_IFALIAS, b"").rstrip(b"\0").decode(errors="replace")
    return Link(index, attrs[IFLA_IFNAME].rstrip(b"\0").decode(), flags, master, kind, alias)


def _attributes(data: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    offset = (offset + 3) & ~3
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4:
            return
        yield kind & 0x3FFF, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def _attr(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + b"\0" * (-length & 3)


def _nest(kind: int, value: bytes) -> bytes:
    return _attr(kind | NLA_F_NESTED, value)


def _string(kind: int, value: str) -> bytes:
    return _attr(kind, value.encode() + b"\0")


def _u32(kind: int, value: int) -> bytes:
    return _attr(kind, struct.pack("=I", value))


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
