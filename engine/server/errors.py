"""errdefs → HTTP: the one place where an exception becomes a status and a body."""

from __future__ import annotations

import asyncio
import logging

import msgspec
from aiohttp import web

from engine import errdefs

log = logging.getLogger(__name__)

# The first class that fits wins.
STATUS: tuple[tuple[type[BaseException], int], ...] = (
    (errdefs.InvalidParameter, 400),
    (errdefs.Unauthorized, 401),
    (errdefs.Forbidden, 403),
    (errdefs.NotFound, 404),
    (errdefs.Conflict, 409),
    (errdefs.NotModified, 304),
    (errdefs.Unsupported, 501),
    (errdefs.Unavailable, 503),
    (errdefs.DeadlineExceeded, 504),
    (errdefs.SystemFailure, 500),
)


def status(exc: BaseException) -> int:
    """The HTTP status of an error; 500 for whatever nobody meant to raise."""
    if isinstance(exc, web.HTTPException):
        return exc.status
    for kind, code in STATUS:
        if isinstance(exc, kind):
            return code
    return 500


def message(exc: BaseException) -> str:
    """One sentence for the user. An unexpected exception is named by its class."""
    if isinstance(exc, errdefs.DockyardError):
        return str(exc)
    if isinstance(exc, web.HTTPException):
        return exc.text or exc.reason
    if isinstance(exc, asyncio.CancelledError):
        return "the request was cancelled"
    return f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__


def response(exc: BaseException) -> web.Response:
    """The answer to a request that failed before its answer had begun."""
    code = status(exc)
    if code == 304:
        return web.Response(status=304)
    if code >= 500 and not isinstance(exc, errdefs.DockyardError):
        log.error("handler failed", exc_info=exc)
    body = msgspec.json.encode({"message": message(exc)}) + b"\n"
    return web.Response(status=code, body=body, content_type="application/json")
