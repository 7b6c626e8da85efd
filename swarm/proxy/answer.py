"""Writing answers: JSON, errors, and streams of JSON messages."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from aiohttp import web

from engine.client.errors import BY_STATUS
from engine.errdefs import DockyardError

log = logging.getLogger(__name__)

_STATUS = {kind: status for status, kind in BY_STATUS.items()}


def encode(value: Any) -> str:
    """`value` as compact JSON text."""
    return msgspec.json.encode(value).decode()


def json(value: Any, status: int = 200) -> web.Response:
    """`value` as the body."""
    body = msgspec.json.encode(value) + b"\n"
    return web.Response(status=status, body=body, content_type="application/json")


def empty(status: int = 204) -> web.Response:
    """No body."""
    return web.Response(status=status)


def error(exc: Exception) -> web.Response:
    """An exception as the API tells it; what nobody meant to raise is logged."""
    status = 500
    if isinstance(exc, DockyardError):
        status = next((_STATUS[k] for k in type(exc).__mro__ if k in _STATUS), 500)
        message = str(exc)
    else:
        log.error("request failed", exc_info=exc)
        message = f"{type(exc).__name__}: {exc}"
    if status == 304:
        return web.Response(status=304)
    return json({"message": message}, status)


class MessageStream:
    """Progress as a stream of JSON messages, begun with the first; errors come in band after that."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.response = web.StreamResponse(headers={"Content-Type": "application/json"})

    async def begin(self) -> None:
        """Send the headers."""
        if not self.response.prepared:
            await self.response.prepare(self._request)

    async def send(self, message: Any) -> None:
        """Write one message; waits while the client reads slowly."""
        await self.begin()
        await self.response.write(msgspec.json.encode(message) + b"\r\n")

    async def end(self) -> web.StreamResponse:
        """No more messages."""
        await self.begin()
        await self.response.write_eof()
        return self.response
