"""Reading a request: query parameters and JSON bodies, with the API's own ideas of truth.

Source: Engine API reference; booleans as dockerd reads them (everything but "", 0, no, false, none
is true).
"""

from __future__ import annotations

from typing import Any, TypeVar, overload

import msgspec
from aiohttp import web

from engine.api.filters import Filters
from engine.errdefs import InvalidParameter

T = TypeVar("T")

_FALSE = frozenset(("", "0", "no", "false", "none"))


def boolean(request: web.BaseRequest, name: str, default: bool = False) -> bool:
    """A flag of the query; `default` only where it is absent altogether."""
    value = request.query.get(name)
    return default if value is None else value.strip().lower() not in _FALSE


def integer(request: web.BaseRequest, name: str, default: int = 0) -> int:
    """A whole number of the query; absent or empty is `default`."""
    value = request.query.get(name)
    if not value:
        return default
    try:
        return int(value)
    except ValueError as exc:
        raise InvalidParameter(f"invalid value for {name}: {value!r} is not a whole number") from exc


def text(request: web.BaseRequest, name: str, default: str = "") -> str:
    """A string of the query."""
    value: str = request.query.get(name, default)
    return value


def filters(request: web.BaseRequest) -> Filters:
    """The `filters` parameter."""
    return Filters.parse(request.query.get("filters"))


def seconds(request: web.BaseRequest, name: str) -> float | None:
    """A point in time of the query, "unix" or "unix.nanoseconds"; None if absent or empty."""
    value = request.query.get(name)
    if not value:
        return None
    try:
        return float(value)
    except ValueError as exc:
        raise InvalidParameter(f"invalid value for {name}: {value!r} is not a Unix timestamp") from exc


@overload
async def body(request: web.BaseRequest) -> dict[str, Any]: ...
@overload
async def body(request: web.BaseRequest, type: type[T]) -> T: ...


async def body(request: web.BaseRequest, type: Any = dict[str, Any]) -> Any:
    """The JSON body as `type` (a msgspec struct, or a dict). An empty body decodes as ``{}``.

    Raises InvalidParameter naming the member at fault, as ``$.HostConfig.Memory``.
    """
    data = await request.read()
    if not data.strip():
        return msgspec.json.decode(b"{}", type=type)
    if request.content_type != "application/json":
        raise InvalidParameter(
            f"unsupported Content-Type header ({request.content_type}): must be 'application/json'"
        )
    return decode(data, type)


def decode(data: bytes | str, type: type[T]) -> T:
    """JSON as `type`; InvalidParameter with docker's opening words otherwise."""
    try:
        return msgspec.json.decode(data, type=type)
    except msgspec.ValidationError as exc:
        raise InvalidParameter(f"invalid JSON: {exc}") from exc
    except (msgspec.DecodeError, UnicodeError) as exc:
        raise InvalidParameter(f"invalid JSON: {exc}") from exc
