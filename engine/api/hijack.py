"""Taking a connection over from HTTP, as attach, exec and their proxies do.

    client                                server
      │ POST /containers/x/attach HTTP/1.1  │
      │ Connection: Upgrade  Upgrade: tcp   │
      │────────────────────────────────────>│
      │ HTTP/1.1 101 UPGRADED               │     without an Upgrade header: HTTP/1.1 200 OK
      │<────────────────────────────────────│
      │<══ stdcopy frames or raw bytes ════ │     each direction ends by itself (half-close)
      │ ══ standard input ════════════════> │

Source: Engine API reference, "ContainerAttach". aiohttp gives a handler no such connection, so the
transport is given a stream protocol of its own; the old protocol is still told when the connection
ends, since aiohttp counts its connections there.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_protocol import RequestHandler

from engine.api.halfclose import keep_open_after_eof, write_eof

RAW_STREAM = "application/vnd.docker.raw-stream"
MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream"


class HijackedResponse(web.StreamResponse):
    """What a handler returns after a hijack: everything has been written already."""

    def __init__(self) -> None:
        super().__init__(status=200)
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write no headers."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Write no end."""


@dataclass(frozen=True, slots=True)
class HijackedConnection:
    """The two directions of a hijacked connection.

    A handler copies between them and the process and then returns `response`. End of file on
    `reader` means that the client has no more input, not that it has gone away.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    response: HijackedResponse

    def write_eof(self) -> None:
        """End our direction."""
        write_eof(self.writer)


class _Takeover(asyncio.StreamReaderProtocol):
    def __init__(self, reader: asyncio.StreamReader, previous: RequestHandler) -> None:
        super().__init__(reader, loop=asyncio.get_running_loop())
        self._previous = previous

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._previous.connection_lost(exc)


async def hijack(request: web.Request, *, content_type: str = RAW_STREAM) -> HijackedConnection:
    """Answer 101 (or 200 to a client that asked for no upgrade) and hand over the connection.

    Read the request's body before. Errors must be raised before, too: after this call there is no
    HTTP any more.
    """
    transport = request.transport
    previous = request.protocol
    if transport is None:
        raise ConnectionResetError("the client has gone away")
    await request.read()
    reader = asyncio.StreamReader()
    protocol = _Takeover(reader, previous)
    protocol.connection_made(transport)
    early = previous._message_tail  # input sent right behind the request
    previous._message_tail = b""
    transport.set_protocol(protocol)
    keep_open_after_eof(transport)
    if early:
        reader.feed_data(early)
    if not transport.is_reading():
        transport.resume_reading()
    writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
    writer.write(_head(request.headers.get("Upgrade"), content_type))
    return HijackedConnection(reader, writer, HijackedResponse())


def _head(upgrade: str | None, content_type: str) -> bytes:
    if upgrade:
        lines = ["HTTP/1.1 101 UPGRADED", "Connection: Upgrade", f"Upgrade: {upgrade}"]
    else:
        lines = ["HTTP/1.1 200 OK"]
    return "\r\n".join([*lines, f"Content-Type: {content_type}", "", ""]).encode()
