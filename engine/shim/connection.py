"""A daemon's connection to a monitor: requests in, replies out, or one stream from an attach on."""

from __future__ import annotations

import socket

from engine.shim.loop import HANGUP, READ, WRITE
from engine.shim.protocol import FrameDecoder, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from engine.shim.monitor import Monitor

#: A control connection that takes no replies is given up beyond this.
MAX_UNSENT = 16 << 20


class Connection:
    """A daemon's connection: requests in, replies out."""

    def __init__(self, monitor: Monitor, sock: socket.socket) -> None:
        self._monitor, self.sock = monitor, sock
        self._decoder = FrameDecoder()
        self._out = bytearray()
        sock.setblocking(False)
        monitor.loop.watch(sock.fileno(), READ, self._ready)

    def reply(self, request_id: int, ok: dict[str, Any] | None, error: dict[str, Any] | None) -> None:
        """Answer a request."""
        if self.sock.fileno() < 0:
            return
        body = {"id": request_id, "ok": ok or {}} if error is None else {"id": request_id, "error": error}
        self._out += encode(body)
        self._flush()

    def _flush(self) -> None:
        try:
            del self._out[: self.sock.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        if len(self._out) > MAX_UNSENT:
            self.close()
            return
        self._monitor.loop.change(self.sock.fileno(), READ | (WRITE if self._out else 0))

    def _ready(self, events: int) -> None:
        if events & WRITE and self._out:
            self._flush()
        if not events & (READ | HANGUP) or self.sock.fileno() < 0:
            return
        try:
            data = self.sock.recv(32768)  # a larger buffer is mapped and unmapped each time
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        try:
            for message in self._decoder.feed(data):
                if self._monitor.serve(self, message):
                    return  # it has become an attachment
        except ValueError:
            self.close()

    def detach(self) -> tuple[socket.socket, bytes]:
        """Hand over the socket, and what came after the last request."""
        self._monitor.loop.forget(self.sock.fileno())
        if self._out:
            self.sock.setblocking(True)
            self.sock.sendall(self._out)
        self._monitor.connections.discard(self)
        return self.sock, self._decoder.rest()

    def close(self) -> None:
        """Hang up."""
        if self.sock.fileno() >= 0:
            self._monitor.loop.forget(self.sock.fileno())
            self.sock.close()
        self._monitor.disconnected(self)
