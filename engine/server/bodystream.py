"""A request's body as a blocking file, for archives that a worker thread unpacks while they arrive."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, BinaryIO, cast

from aiohttp import StreamReader, web

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def body_file(request: web.BaseRequest) -> BinaryIO:
    """Read it from a thread other than the event loop's, which this is to be called on.

    A client that goes away makes the next read fail with ConnectionResetError.
    """
    raw = _Body(request.content, asyncio.get_running_loop())
    return cast(BinaryIO, io.BufferedReader(raw, 1 << 18))


class _Body(io.RawIOBase):
    def __init__(self, content: StreamReader, loop: asyncio.AbstractEventLoop) -> None:
        self._content = content
        self._loop = loop
        self._ended = False

    def readable(self) -> bool:
        """It is all it can do."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Wait for bytes from the client; 0 at the end of the body."""
        if self._ended:
            return 0
        view = memoryview(buffer).cast("B")
        future = asyncio.run_coroutine_threadsafe(self._content.read(len(view)), self._loop)
        data = future.result()
        self._ended = not data
        view[: len(data)] = data
        return len(data)
