"""The HTTP server: every request comes through `Api`.

aiohttp's low-level server is used, not its Application: routing, versions and errors are the
API's own, and nothing else lies between a request and its handler.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from engine.api.hijack import HijackedResponse
from engine.api.versions import API_VERSION, ENGINE_VERSION
from engine.daemon.engine import Engine
from engine.server import errors
from engine.server.router import Router
from engine.server.routes import Request, Route

log = logging.getLogger(__name__)

MAX_JSON = 16 << 20
# Credentials of many registries travel in one header.
MAX_HEADER = 1 << 20
# Seconds that an answer gets to leave the house when we stop.
GRACE = 0.3

HEADERS = {
    "Api-Version": API_VERSION,
    "Docker-Experimental": "false",
    "Ostype": "linux",
    "Server": f"Docker/{ENGINE_VERSION} (linux)",
}


class ApiRequest(Request):
    """A request that remembers its answer and marks every answer with the API's headers."""

    ATTRS = Request.ATTRS | frozenset(["answer"])

    answer: web.StreamResponse | None = None

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)
        self.answer = response

    @property
    def hijacked(self) -> bool:
        """Whether a handler took the connection over."""
        transport = self.transport
        return transport is not None and transport.get_protocol() is not self.protocol


class Api:
    """Requests in, answers out. One for all listeners of a daemon."""

    def __init__(self, engine: Engine, routes: Iterable[Route]) -> None:
        self._engine = engine
        self._router = Router(routes)
        self._loop = asyncio.get_running_loop()
        self._streams: set[asyncio.Task[None]] = set()
        self._changes: set[asyncio.Task[web.StreamResponse]] = set()
        self.server = web.Server(
            self._handle,  # type: ignore[arg-type]  # requests are of our factory's class
            request_factory=self._request,
            handler_cancellation=True,
            access_log=None,
            max_line_size=64 << 10,
            max_field_size=MAX_HEADER,
            auto_decompress=False,
        )

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> ApiRequest:
        return ApiRequest(message, payload, protocol, writer, task, self._loop, client_max_size=MAX_JSON)

    async def _handle(self, request: ApiRequest) -> web.StreamResponse:
        try:
            route, request.variables, request.api_version = self._router.find(request.method, request.path)
            log.debug("Calling %s %s", request.method, request.path)
            if "Expect" in request.headers:
                await _go_on(request)
            if not route.cancellable:
                return await self._to_the_end(route, request)
            self._streams.add(request.task)
            try:
                return await route.handler(request, self._engine)
            finally:
                self._streams.discard(request.task)
        except Exception as exc:
            return self._failed(request, exc)

    async def _to_the_end(self, route: Route, request: ApiRequest) -> web.StreamResponse:
        """Run a change in a task of its own, which goes on if the client leaves."""

        async def run() -> web.StreamResponse:
            return await route.handler(request, self._engine)

        task = asyncio.create_task(run())
        self._changes.add(task)
        task.add_done_callback(self._changed)
        return await asyncio.shield(task)

    def _changed(self, task: asyncio.Task[web.StreamResponse]) -> None:
        self._changes.discard(task)
        if not task.cancelled():
            task.exception()  # an error with nobody left to tell

    def _failed(self, request: ApiRequest, exc: Exception) -> web.StreamResponse:
        answer = errors.response(exc)
        log.debug("%s %s: %s", request.method, request.path, errors.message(exc))
        begun = HijackedResponse() if request.hijacked else request.answer
        if begun is None:
            return answer
        # Too late for a status: break the connection off, so that the client does not take what
        # it has for the whole.
        if not isinstance(exc, ConnectionError):
            log.warning("%s %s failed after its answer had begun: %s", request.method, request.path, exc)
        if request.transport is not None:
            request.transport.close()
        return begun

    async def stop(self, timeout: float) -> None:
        """End streams at once, give changes up to `timeout` seconds, close all connections."""
        self.server.pre_shutdown()
        for task in tuple(self._streams):
            task.cancel()
        if self._changes:
            _, late = await asyncio.wait(tuple(self._changes), timeout=timeout)
            for change in late:
                change.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self.server.shutdown(GRACE)


async def _go_on(request: ApiRequest) -> None:
    """A client with a large body waits for leave to send it (RFC 9110, section 10.1.1)."""
    if request.version >= HttpVersion11 and request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # The interim answer is no part of the answer's size.
        request.writer.output_size = 0
