"""The client: generic requests first, and the few calls every tool makes by name.

Paths are the API's, without a version prefix (the engine then answers in its newest version),
unless `api_version` is given. Values in `params`: booleans become 1 and 0, dicts and lists JSON
(docker's `filters`), None is left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from engine.client.config import Endpoint, TLSConfig, endpoint_from_env
from engine.client.http import HttpTransport, Response
from engine.client.upgrade import HijackedStream, upgrade

Params = Mapping[str, Any]


def encode_params(params: Params | None) -> list[tuple[str, str]]:
    """Query parameters as the API wants them; a list of strings under one key repeats the key."""
    pairs: list[tuple[str, str]] = []
    for key, value in (params or {}).items():
        match value:
            case None:
                continue
            case bool():
                pairs.append((key, "1" if value else "0"))
            case dict():
                pairs.append((key, msgspec.json.encode(value).decode()))
            case list() | tuple():
                pairs.extend((key, str(item)) for item in value)
            case _:
                pairs.append((key, str(value)))
    return pairs


class DockerClient:
    """A connection pool to one engine. Use as an async context manager, or `close` it.

    Methods raise errdefs by the response's status (`json`, `stream`, `hijack`) and Unavailable when
    the engine can't be reached; `request` gives the response whatever its status is.
    """

    def __init__(
        self,
        host: str | Endpoint,
        tls: TLSConfig | None = None,
        *,
        api_version: str | None = None,
        headers: Mapping[str, str] | None = None,
        connect_timeout: float = 30.0,
    ) -> None:
        self.endpoint = host if isinstance(host, Endpoint) else Endpoint.parse(host, tls)
        self._prefix = f"/v{api_version}" if api_version else ""
        self._headers = {"User-Agent": "dockyard", **(headers or {})}
        self._transport = HttpTransport(self.endpoint, connect_timeout=connect_timeout)

    @classmethod
    def from_env(cls, host: str | None = None) -> DockerClient:
        """A client of `host`, else of DOCKER_HOST, else of our default socket."""
        return cls(endpoint_from_env(host=host))

    async def __aenter__(self) -> DockerClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections but hijacked ones."""
        await self._transport.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Any = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Response:
        """One request. data: bytes, a file or an async iterator of bytes; json: a value to encode."""
        sent = dict(self._headers)
        body = data
        if json is not None:
            body = msgspec.json.encode(json)
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        target = self._target(path, params)
        return await self._transport.request(method, target, body=body, headers=sent, timeout=timeout)

    async def json(self, method: str, path: str, **options: Any) -> Any:
        """One request (options as in `request`); the decoded body, None if there is none."""
        response = await self.request(method, path, **options)
        try:
            await response.raise_for_status()
            return await response.json()
        finally:
            response.close()

    async def stream(self, method: str, path: str, **options: Any) -> AsyncIterator[Any]:
        """One request whose answer is a stream of JSON objects (events, build, pull, stats)."""
        response = await self.request(method, path, **options)
        try:
            await response.raise_for_status()
            async for value in response.lines():
                yield value
        finally:
            response.close()

    async def hijack(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> HijackedStream:
        """Take the connection over: attach, exec start."""
        sent = dict(self._headers)
        body = b""
        if json is not None:
            body = msgspec.json.encode(json)
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        return await upgrade(self.endpoint, method, self._target(path, params), sent, body)

    def _target(self, path: str, params: Params | None) -> str:
        pairs = encode_params(params)
        query = f"?{urlencode(pairs, quote_via=quote)}" if pairs else ""
        return f"{self._prefix}{path}{query}"

    async def ping(self, *, timeout: float | None = None) -> None:
        """Ask whether the engine is there; raises Unavailable if not."""
        response = await self.request("GET", "/_ping", timeout=timeout)
        await response.read()
        await response.raise_for_status()

    async def version(self) -> dict[str, Any]:
        """GET /version."""
        return dict(await self.json("GET", "/version"))

    async def info(self) -> dict[str, Any]:
        """GET /info."""
        return dict(await self.json("GET", "/info"))

    async def containers(
        self, *, all: bool = False, filters: Mapping[str, list[str]] | None = None
    ) -> list[dict[str, Any]]:
        """GET /containers/json."""
        params = {"all": all, "filters": dict(filters) if filters else None}
        return list(await self.json("GET", "/containers/json", params=params))

    async def container_create(
        self, config: Mapping[str, Any], *, name: str | None = None, platform: str | None = None
    ) -> dict[str, Any]:
        """POST /containers/create; `Id` and `Warnings`."""
        params = {"name": name, "platform": platform}
        return dict(await self.json("POST", "/containers/create", params=params, json=dict(config)))

    async def container_inspect(self, container: str) -> dict[str, Any]:
        """GET /containers/{id}/json."""
        return dict(await self.json("GET", f"/containers/{quote(container, safe='')}/json"))
