"""One request on its way through the proxy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """request: as it came. path: without the version. variables: of the path, as they were encoded.

    version: the API version that the client speaks, e.g. ``(1, 43)``.
    """

    request: web.Request
    cluster: Cluster
    path: str
    version: tuple[int, int]
    variables: Mapping[str, str] = field(default_factory=dict)

    def variable(self, name: str) -> str:
        """A variable of the path, decoded."""
        return unquote(self.variables[name])

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
        encoded = quote(value, safe=":/@")
        return self.path.replace(self.variables[variable], encoded, 1) + self.query_string

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
