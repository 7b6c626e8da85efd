"""The embedded DNS server: 127.0.0.11:53 in each sandbox that is on a user-defined network.

    container ──query──> socket opened in its namespace ──> the daemon's event loop
     (:53, redirected)      (any port)
                                          known name: answered from the records
                                          any other:  asked of the upstream servers, from the
                                                      daemon's namespace, over the same transport

Names are container names, aliases and short ids of the endpoints that share a network with the
asker. RFC 1035; a name that exists has an empty answer for other types than A.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from dnslib import PTR, QTYPE, RCODE, RR, A, DNSError, DNSRecord

from engine.errdefs import SystemFailure
from engine.linux import netns
from engine.linux.nft import Nftables
from engine.network.hosts import EMBEDDED

log = logging.getLogger(__name__)

PORT = 53
TTL = 600
UPSTREAM_TIMEOUT = 4.0
CONCURRENT = 256  # queries of one sandbox that wait for upstream at a time
# Port 53 itself stays free, for containers that are name servers and listen on every address. Ports
# are rewritten without connection tracking, on both sides of where it would look (-300 and 300).
REDIRECT = """
table ip dockyard-names {{
  chain queries {{ type filter hook output priority -300; policy accept;
    ip daddr 127.0.0.11 udp dport 53 udp dport set {udp}
    ip daddr 127.0.0.11 tcp dport 53 tcp dport set {tcp}
  }}
  chain answers {{ type filter hook output priority 300; policy accept;
    ip saddr 127.0.0.11 udp sport {udp} udp sport set 53
    ip saddr 127.0.0.11 tcp sport {tcp} tcp sport set 53
  }}
}}
"""
# Deleting waits for a grace period (10 ms): only where an earlier daemon's rules are.
REPLACE = "add table ip dockyard-names\ndelete table ip dockyard-names\n"


class Names(Protocol):
    """What the server asks of the controller's records."""

    def lookup(self, container_id: str, name: str) -> list[str] | None:
        """IPv4 addresses that `name` (lower case, no last dot) has for this container; None if unknown."""
        ...

    def reverse(self, container_id: str, address: str) -> str | None:
        """The name of an address on one of the container's networks."""
        ...


def answer(query: bytes, container_id: str, names: Names) -> bytes | None:
    """The reply to a query that the records can answer; None if upstream must be asked, or it is no query."""
    try:
        record = DNSRecord.parse(query)
    except (DNSError, struct.error, ValueError, IndexError):
        return None
    if record.header.qr or len(record.questions) != 1:
        return None
    question = record.q
    name = str(question.qname).rstrip(".").lower()
    if question.qtype == QTYPE.PTR:
        host = names.reverse(container_id, _arpa_address(name))
        if host is None:
            return None
        reply = record.reply(aa=0)
        reply.add_answer(RR(question.qname, QTYPE.PTR, rdata=PTR(host), ttl=TTL))
        return bytes(reply.pack())
    addresses = names.lookup(container_id, name)
    if addresses is None:
        return None
    reply = record.reply(aa=0)
    if question.qtype in (QTYPE.A, QTYPE.ANY):
        for address in random.sample(addresses, len(addresses)):
            reply.add_answer(RR(question.qname, QTYPE.A, rdata=A(address), ttl=TTL))
    return bytes(reply.pack())


def refusal(query: bytes) -> bytes | None:
    """SERVFAIL, the reply when no upstream server answers."""
    try:
        record = DNSRecord.parse(query)
    except (DNSError, struct.error, ValueError, IndexError):
        return None
    reply = record.reply(aa=0)
    reply.header.rcode = RCODE.SERVFAIL
    return bytes(reply.pack())


def _arpa_address(name: str) -> str:
    labels = name.removesuffix(".in-addr.arpa").split(".")
    return ".".join(reversed(labels))


@dataclass
class _Listener:
    """One sandbox's sockets. upstreams: asked in order, none for a sandbox that may not reach out."""

    container_id: str
    upstreams: tuple[str, ...]
    udp: asyncio.DatagramTransport | None = None
    tcp: asyncio.Server | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class DnsServer:
    """All listeners of the daemon. Used from the event loop only."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._listeners: dict[str, _Listener] = {}

    async def open(
        self, container_id: str, sandbox: Path, upstreams: Sequence[str], *, again: bool = False
    ) -> None:
        """Begin to answer in a sandbox; where it does already, only the upstream servers change.

        again: an earlier daemon did so in this sandbox.
        """
        if container_id in self._listeners:
            self._listeners[container_id].upstreams = tuple(upstreams)
            return
        try:
            udp, tcp = await asyncio.to_thread(netns.run_in, str(sandbox), partial(_sockets, again))
        except OSError as exc:
            raise SystemFailure(f"cannot serve DNS in the container: {exc.strerror}") from exc
        listener = _Listener(container_id, tuple(upstreams))
        self._listeners[container_id] = listener
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self, listener), sock=udp)
        listener.udp = transport
        listener.tcp = await asyncio.start_server(lambda r, w: self._stream(listener, r, w), sock=tcp)

    def close(self, container_id: str) -> None:
        """Stop answering in a sandbox; one without a server is no error."""
        listener = self._listeners.pop(container_id, None)
        if listener is None:
            return
        for task in listener.tasks:
            task.cancel()
        if listener.udp is not None:
            listener.udp.close()
        if listener.tcp is not None:
            listener.tcp.close()

    def close_all(self) -> None:
        """Stop everywhere (the daemon ends; its successor opens them again)."""
        for container_id in list(self._listeners):
            self.close(container_id)

    def datagram(self, listener: _Listener, query: bytes, reply: Callable[[bytes], None]) -> None:
        """A query came in over UDP."""
        known = answer(query, listener.container_id, self._names)
        if known is not None:
            reply(known)
            return
        if len(listener.tasks) >= CONCURRENT:
            return  # the client asks again
        task = asyncio.ensure_future(self._ask(listener, query, reply))
        listener.tasks.add(task)
        task.add_done_callback(listener.tasks.discard)

    async def _ask(self, listener: _Listener, query: bytes, reply: Callable[[bytes], None]) -> None:
        found = await _forward(query, listener.upstreams, _over_udp) or refusal(query)
        if found is not None:
            reply(found)

    async def _stream(
        self, listener: _Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
                while True:
                    async with asyncio.timeout(30):
                        (length,) = struct.unpack("!H", await reader.readexactly(2))
                        query = await reader.readexactly(length)
                    found = answer(query, listener.container_id, self._names)
                    if found is None:
                        found = await _forward(query, listener.upstreams, _over_tcp) or refusal(query)
                    if found is None:
                        return
                    writer.write(struct.pack("!H", len(found)) + found)
                    await writer.drain()
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer, listener: _Listener) -> None:
        self._server = server
        self._listener = listener
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._server.datagram(self._listener, data, lambda reply: self._reply(reply, addr))

    def _reply(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(data, addr)


class _Reply(asyncio.DatagramProtocol):
    """Waits for the one datagram that answers query id `wanted`."""

    def __init__(self, wanted: bytes) -> None:
        self._wanted = wanted
        self.received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if data[:2] == self._wanted and not self.received.done():
            self.received.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.received.done():
            self.received.set_exception(exc)


async def _forward(query: bytes, upstreams: Sequence[str], ask: Callable[..., Any]) -> bytes | None:
    """The first upstream's answer; None if none gives one."""
    for server in upstreams:
        try:
            async with asyncio.timeout(UPSTREAM_TIMEOUT):
                reply: bytes = await ask(query, server)
                return reply
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as exc:
            log.debug("name server %s does not answer: %r", server, exc)
    return None


async def _over_udp(query: bytes, server: str) -> bytes:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: _Reply(query[:2]), remote_addr=(server, PORT)
    )
    try:
        transport.sendto(query)
        return await protocol.received
    finally:
        transport.close()


async def _over_tcp(query: bytes, server: str) -> bytes:
    reader, writer = await asyncio.open_connection(server, PORT)
    try:
        writer.write(struct.pack("!H", len(query)) + query)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(length)
    finally:
        writer.close()


def _sockets(again: bool) -> tuple[socket.socket, socket.socket]:
    """A UDP and a listening TCP socket that get what the thread's namespace sends to 127.0.0.11:53."""
    made: list[socket.socket] = []
    try:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            sock = socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            made.append(sock)
            sock.bind((EMBEDDED, 0))
        made[1].listen(16)
        udp, tcp = (sock.getsockname()[1] for sock in made)
        rules = Nftables()
        try:
            rules.run((REPLACE if again else "") + REDIRECT.format(udp=udp, tcp=tcp))
        finally:
            rules.close()
    except OSError:
        for sock in made:
            sock.close()
        raise
    return made[0], made[1]
