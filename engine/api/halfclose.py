"""Ending one direction of a hijacked TLS connection.

In TLS each side ends its own direction with a close_notify alert and may go on reading (RFC 8446,
section 6.1); the docker CLI does so as soon as it has no more input. asyncio takes the peer's alert for the
end of the connection and offers no way to send one alone (asyncio.sslproto). Both are mended here for
one connection; what is touched of asyncio is not public, so what is missing there is left as it was.
"""

from __future__ import annotations

import asyncio
import ssl


def keep_open_after_eof(transport: asyncio.BaseTransport) -> None:
    """Go on writing after the peer has ended its direction. Nothing to do without TLS."""
    protocol = getattr(transport, "_ssl_protocol", None)
    shut_down = getattr(protocol, "_start_shutdown", None)
    if protocol is None or shut_down is None:
        return

    def start_shutdown() -> None:
        if transport.is_closing():  # we have closed it, not the peer's alert
            shut_down()

    protocol._start_shutdown = start_shutdown


def write_eof(writer: asyncio.StreamWriter) -> None:
    """End our direction, with or without TLS; the other goes on."""
    if writer.can_write_eof():
        writer.write_eof()
        return
    protocol = getattr(writer.transport, "_ssl_protocol", None)
    tls = getattr(protocol, "_sslobj", None)
    if protocol is None or tls is None or writer.transport.is_closing():
        return
    _read_to_the_end(tls)
    try:
        tls.unwrap()  # sends our alert, then would wait for the peer's
    except ssl.SSLError:
        pass
    protocol._process_outgoing()


def _read_to_the_end(tls: ssl.SSLObject) -> None:
    """Once both alerts have passed, reading raises instead of returning nothing; asyncio would take
    that for a failure and drop what it read just before.
    """
    original = tls.read

    def read(length: int = 1024, buffer: bytearray | None = None) -> bytes | int:
        try:
            return original(length) if buffer is None else original(length, buffer)
        except ssl.SSLZeroReturnError:
            return b"" if buffer is None else 0

    tls.read = read  # type: ignore[method-assign, assignment]
