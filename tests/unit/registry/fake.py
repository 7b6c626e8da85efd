"""A registry of our own that can misbehave, and counts what it is asked."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class FakeRegistry:
    """blobs and manifests by digest or tag; break_blob: how often each blob is cut short first."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.asked: Counter[str] = Counter()
        self.cuts: Counter[str] = Counter()
        self.token = ""
        self.scopes: list[str] = []
        self.logins: list[str] = []
        self.url = ""

    def add_blob(self, data: bytes) -> dict[str, Any]:
        self.blobs[digest_of(data)] = data
        return {"digest": digest_of(data), "size": len(data)}

    def add_manifest(self, tag: str, media_type: str, document: dict[str, Any]) -> dict[str, Any]:
        raw = json.dumps(document).encode()
        self.manifests[tag] = self.manifests[digest_of(raw)] = (media_type, raw)
        return {"mediaType": media_type, "digest": digest_of(raw), "size": len(raw)}

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not self.token or request.path == "/token":
            return await handler(request)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            challenge = f'Bearer realm="{self.url}/token",service="fake"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        return await handler(request)

    async def _token(self, request: web.Request) -> web.Response:
        self.scopes.append(request.query.get("scope", ""))
        self.logins.append(request.headers.get("Authorization", ""))
        return web.json_response({"token": self.token})

    async def _manifest(self, request: web.Request) -> web.Response:
        found = self.manifests.get(request.match_info["reference"])
        if found is None:
            error = {"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}
            return web.json_response({"errors": [error]}, status=404)
        return web.Response(body=found[1], content_type=found[0])

    async def _blob(self, request: web.Request) -> web.StreamResponse:
        digest = request.match_info["digest"]
        self.asked[digest] += 1
        data = self.blobs[digest]
        if self.cuts[digest]:
            self.cuts[digest] -= 1
            response = web.StreamResponse(headers={"Content-Length": str(len(data))})
            await response.prepare(request)
            await response.write(data[: len(data) // 2])
            assert request.transport is not None
            request.transport.close()
            return response
        return web.Response(body=data)

    async def _ping(self, request: web.Request) -> web.Response:
        return web.json_response({})

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/v2/", self._ping),
                web.get("/token", self._token),
                web.get("/v2/{name:.+}/manifests/{reference}", self._manifest),
                web.get("/v2/{name:.+}/blobs/{digest}", self._blob),
            ]
        )
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield f"{host}:{port}"
        finally:
            await runner.cleanup()
