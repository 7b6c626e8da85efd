"""Framing of output streams without a terminal (docker calls it stdcopy).

    ┌────────┬─────────┬──────────────────────┬───────────────┐
    │ stream │ 0  0  0 │ length, uint32 BE    │ length bytes  │
    └────────┴─────────┴──────────────────────┴───────────────┘

stream: 0 stdin (echoed), 1 stdout, 2 stderr, 3 an error of the daemon itself.
Source: Engine API reference, "ContainerAttach", "Stream format".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

STDIN, STDOUT, STDERR, SYSTEM = 0, 1, 2, 3
HEADER = struct.Struct(">BxxxI")


def frame(stream: int, data: bytes) -> bytes:
    """One frame around `data`."""
    return HEADER.pack(stream, len(data)) + data


class Decoder:
    """Splits a byte stream into frames, whatever the chunks it arrives in."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield ``(stream, data)`` for each frame that `chunk` completes."""
        self._buffer += chunk
        while len(self._buffer) >= HEADER.size:
            stream, length = HEADER.unpack_from(self._buffer)
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            data = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            yield stream, data
