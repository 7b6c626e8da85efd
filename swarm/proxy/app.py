"""The web application: version negotiation, dispatch by the table, errors, headers."""

from __future__ import annotations

import asyncio
import logging
import re

from aiohttp import web

from engine.api.versions import API_VERSION, ENGINE_VERSION, negotiate, parse
from engine.errdefs import NotFound
from swarm.cluster.cluster import Cluster
from swarm.proxy import answer
from swarm.proxy.call import Call
from swarm.proxy.routes import Route, match
from swarm.proxy.system import api_version

log = logging.getLogger(__name__)

_VERSIONED = re.compile(r"/v(\d+\.\d+)(/.*)")
_BODY_LIMIT = 64 << 20

CLUSTER = web.AppKey("cluster", Cluster)


def make_app(cluster: Cluster, *, cors: bool = False) -> web.Application:
    """The application. Serve it with ``handler_cancellation=True``: that is how a gone client is noticed."""
    app = web.Application(client_max_size=_BODY_LIMIT)
    app[CLUSTER] = cluster
    server = _Server(cluster, cors)
    app.router.add_route("*", "/{path:.*}", server.handle)
    app.on_response_prepare.append(server.add_headers)
    return app


class _Server:
    def __init__(self, cluster: Cluster, cors: bool) -> None:
        self.cluster = cluster
        self.cors = cors
        self._running: set[asyncio.Task[web.StreamResponse]] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        try:
            return await self._dispatch(request)
        except (asyncio.CancelledError, web.HTTPException):
            raise
        except ConnectionError as exc:
            log.debug("%s %s: the client went away: %s", request.method, request.path, exc)
            return web.Response(status=499)
        except Exception as exc:
            return answer.error(exc)

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response()
        path = request.rel_url.raw_path
        requested = None
        versioned = _VERSIONED.fullmatch(path)
        if versioned:
            requested, path = versioned.groups()
        version = negotiate(requested) if requested else parse(API_VERSION)
        found = match(request.method, path.rstrip("/") or "/")
        if found is None:
            raise NotFound("page not found")
        route, matched = found
        log.debug("%s %s", request.method, request.rel_url)
        if route.settled:
            await self.cluster.settled()
        return await self._run(route, Call(request, self.cluster, matched, version))

    async def _run(self, route: Route, call: Call) -> web.StreamResponse:
        if route.cancel:
            return await route.behaviour(call)
        task = asyncio.ensure_future(route.behaviour(call))
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[web.StreamResponse]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen, also if the client has gone

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """On every answer."""
        headers = response.headers
        headers["Api-Version"] = api_version(self.cluster)
        headers["Ostype"] = "linux"
        headers["Docker-Experimental"] = "false"
        headers["Server"] = f"Docker/swarm-{ENGINE_VERSION} (linux)"
        if self.cors:
            headers["Access-Control-Allow-Origin"] = "*"
            headers["Access-Control-Allow-Headers"] = (
                "Origin, X-Requested-With, Content-Type, Accept, X-Registry-Auth"
            )
            headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE, PUT, OPTIONS"
