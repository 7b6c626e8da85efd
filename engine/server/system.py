"""/_ping, /version, /info, /auth, /system/df and the endpoints of plugins we have none of."""

from __future__ import annotations

import asyncio

from aiohttp import web

from engine.daemon import diskusage, system
from engine.daemon.engine import Engine
from engine.server import params, respond
from engine.server.routes import Request, Route

_PING = {
    "Builder-Version": "1",
    "Swarm": "inactive",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
}


async def ping(request: Request, engine: Engine) -> web.StreamResponse:
    """GET and HEAD /_ping: what every client asks first."""
    if request.method == "HEAD":
        return web.Response(headers={**_PING, "Content-Length": "0"}, content_type="text/plain")
    return web.Response(text="OK", headers=_PING)


async def version(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /version."""
    return respond.json(system.version())


async def info(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /info."""
    answer = await asyncio.to_thread(system.info, engine)
    answer["NGoroutines"] = len(asyncio.all_tasks())
    return respond.json(answer)


async def disk_usage(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /system/df; `type` (repeatable) chooses container, image, volume, build-cache."""
    kinds = frozenset(request.query.getall("type", ())) or diskusage.KINDS
    verbose = request.api_version < (1, 42) or not request.query.getall("type", ())
    return respond.json(await diskusage.disk_usage(engine, kinds, complete=verbose))


async def plugins(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /plugins: our drivers are no plugins of the API."""
    params.filters(request)
    return respond.json([])


ROUTES = (
    Route("GET", "/_ping", ping),
    Route("HEAD", "/_ping", ping),
    Route("GET", "/version", version),
    Route("GET", "/info", info),
    Route("GET", "/system/df", disk_usage, since="1.25"),
    Route("GET", "/plugins", plugins, since="1.25"),
)
