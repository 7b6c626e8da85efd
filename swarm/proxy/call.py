"""One request on its way through the proxy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from aiohttp import web

from engine.api.filters import Filters
from engine.errdefs import InvalidParameter
from swarm.cluster.cluster import Cluster

_FALSE = frozenset({"", "0", "no", "false", "none"})


@dataclass(slots=True)
class Call:
    """request: as it came. found: the route's pattern on the encoded path without the version.

    version: the API version that the client speaks, e.g. ``(1, 43)``.
    """

    request: web.Request
    cluster: Cluster
    found: re.Match[str]
    version: tuple[int, int]

    def variable(self, name: str) -> str:
        """A variable of the path, decoded."""
        return unquote(self.found[name])

    @property
    def path(self) -> str:
        """Encoded, without the version."""
        return self.found.string

    @property
    def query_string(self) -> str:
        """``?…`` as it came, or nothing."""
        query = self.request.rel_url.raw_query_string
        return f"?{query}" if query else ""

    @property
    def target(self) -> str:
        """Path and query as they came, without the version."""
        return self.path + self.query_string

    def target_for(self, variable: str, value: str) -> str:
        """The same with one variable of the path replaced by `value`."""
        start, end = self.found.span(variable)
        return f"{self.path[:start]}{quote(value, safe=':/@')}{self.path[end:]}{self.query_string}"

    def text(self, name: str) -> str:
        """A query parameter, empty if it was not given."""
        return self.request.query.get(name, "")

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean query parameter as the API reads them."""
        value = self.request.query.get(name)
        return default if value is None else value.lower() not in _FALSE

    def number(self, name: str, default: int = 0) -> int:
        """An integer query parameter; InvalidParameter if it is none."""
        text = self.request.query.get(name) or str(default)
        try:
            return int(text)
        except ValueError as exc:
            raise InvalidParameter(f"{name} is no number: {text}") from exc

    @property
    def filters(self) -> Filters:
        """The query parameter `filters`."""
        return Filters.parse(self.request.query.get("filters"))

    async def body(self) -> dict[str, Any]:
        """The JSON body; an empty one is an empty object."""
        raw = await self.request.read()
        if not raw.strip():
            return {}
        try:
            value = msgspec.json.decode(raw)
        except (msgspec.MsgspecError, UnicodeError) as exc:
            raise InvalidParameter(f"invalid JSON: {exc}") from exc
        if not isinstance(value, dict):
            raise InvalidParameter("invalid JSON: an object is expected")
        return value
