"""Passing a request on to one node and its answer back, both as streams with back-pressure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from engine.client import Response
from engine.errdefs import Unavailable
from swarm.cluster.node import ClusterNode
from swarm.proxy.call import Call

#: Headers that belong to one connection, or that we write ourselves.
_OWN = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade", "host", "expect", "api-version", "server", "date",
        "docker-experimental", "ostype",
    }
)  # fmt: skip

Hook = Callable[[], Awaitable[None]]


async def forward(
    call: Call,
    node: ClusterNode,
    target: str | None = None,
    *,
    data: Any = None,
    before_answer: Hook | None = None,
) -> web.StreamResponse:
    """Send `call` to `node`; `target` and `data` replace the request's own.

    before_answer: runs when the engine has answered and before the client is told: for an answer
        without a body before its head, else before each piece of the body.
    """
    upstream = await open_upstream(call, node, target, data=data)
    try:
        return await relay(call, upstream, before_answer=before_answer)
    finally:
        upstream.close()


async def open_upstream(
    call: Call, node: ClusterNode, target: str | None = None, *, data: Any = None
) -> Response:
    """The node's answer, its body unread."""
    request = call.request
    headers = _passed_on(request.headers)
    if data is None and request.body_exists:
        data = _upload(request)
    elif data is not None:
        headers.popall("Content-Length", None)
    else:
        headers.popall("Content-Length", None)
    return await node.request(
        request.method, call.target if target is None else target,
        version=call.version, data=data, headers=headers,
    )  # fmt: skip


async def relay(call: Call, upstream: Response, *, before_answer: Hook | None = None) -> web.StreamResponse:
    """Write an engine's answer as ours."""
    headers = _passed_on(upstream.headers)
    response = web.StreamResponse(status=upstream.status, headers=headers)
    bodiless = upstream.status in (204, 304) or headers.get("Content-Length") == "0"
    if before_answer is not None and bodiless:
        await before_answer()
    await response.prepare(call.request)
    try:
        if call.request.method != "HEAD" and not bodiless:
            async for chunk in upstream.chunks():
                if before_answer is not None:
                    await before_answer()
                await response.write(chunk)
    except Unavailable:
        # The head is out: breaking the connection off is the only way left to say it.
        if call.request.transport is not None:
            call.request.transport.abort()
        return response
    await response.write_eof()
    return response


async def _upload(request: web.Request) -> AsyncIterator[bytes]:
    async for chunk in request.content.iter_any():
        yield chunk


def _passed_on(headers: Any) -> CIMultiDict[str]:
    return CIMultiDict((k, v) for k, v in headers.items() if k.lower() not in _OWN)
