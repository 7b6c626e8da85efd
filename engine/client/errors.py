"""HTTP statuses of the Docker API → errdefs; the mirror image of `engine.server.errors`."""

from __future__ import annotations

import json

from engine import errdefs

BY_STATUS: dict[int, type[errdefs.DockyardError]] = {
    304: errdefs.NotModified,
    400: errdefs.InvalidParameter,
    401: errdefs.Unauthorized,
    403: errdefs.Forbidden,
    404: errdefs.NotFound,
    409: errdefs.Conflict,
    501: errdefs.Unsupported,
    503: errdefs.Unavailable,
    504: errdefs.DeadlineExceeded,
}


def message_of(body: bytes) -> str:
    """The API's `{"message": …}`, or the body as it is."""
    try:
        decoded = json.loads(body)
    except ValueError:
        decoded = None
    if isinstance(decoded, dict) and isinstance(decoded.get("message"), str):
        return str(decoded["message"])
    return body.decode("utf-8", "replace").strip()


def error_for(status: int, body: bytes) -> errdefs.DockyardError:
    """The exception that a response of `status` ≥ 300 means."""
    cls = BY_STATUS.get(status)
    if cls is None:
        cls = errdefs.InvalidParameter if 400 <= status < 500 else errdefs.SystemFailure
    return cls(message_of(body) or f"HTTP status {status}")
