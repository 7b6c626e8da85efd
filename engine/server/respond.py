"""Writing an answer: JSON, nothing, and streams of JSON messages."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import msgspec
from aiohttp import web

from engine.server import errors

_encode = msgspec.json.Encoder().encode


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """`value` as a JSON body."""
    return web.Response(
        status=status, body=_encode(value) + b"\n", content_type="application/json", headers=headers
    )


def empty(status: int = 204) -> web.Response:
    """No body."""
    return web.Response(status=status)


class JsonLines:
    r"""A stream of JSON messages, one a line (``\r\n``), each flushed: build, pull, push, load, events.

    The headers go out with `begin` or the first message. An exception before that leaves through
    the ``async with`` and becomes a real HTTP status; after it, it is told in band as
    ``{"errorDetail": {"message": …}, "error": …}`` and the stream ends in order::

        async with JsonLines(request) as out:
            await out.send({"status": "Pulling …"})
        return out.response
    """

    def __init__(self, request: web.BaseRequest, *, end: bytes = b"\r\n") -> None:
        self._request = request
        self._end = end
        self.response = web.StreamResponse(headers={"Content-Type": "application/json"})

    async def begin(self) -> None:
        """Send the headers now."""
        if not self.response.prepared:
            await self.response.prepare(self._request)

    async def send(self, message: Any) -> None:
        """Write one message."""
        if not self.response.prepared:
            await self.response.prepare(self._request)
        await self.response.write(_encode(message) + self._end)

    async def fail(self, exc: BaseException) -> None:
        """Tell an error in band. An exception with an `exit_code` has it as the detail's code."""
        text = errors.message(exc)
        detail: dict[str, Any] = {"message": text}
        if code := getattr(exc, "exit_code", 0):
            detail = {"code": code, "message": text}
        await self.send({"errorDetail": detail, "error": text})

    async def __aenter__(self) -> JsonLines:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if exc is None:
            await self.begin()
            await self.response.write_eof()
            return False
        if not self.response.prepared or not isinstance(exc, Exception) or _gone(exc):
            return False
        await self.fail(exc)
        await self.response.write_eof()
        return True


def _gone(exc: BaseException) -> bool:
    """Whether the client went away: nobody is left to be told."""
    return isinstance(exc, ConnectionError)
