"""Connections taken over from HTTP: attach, exec start, session. Bytes go both ways until each side ends."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import ClientSession, TCPConnector, UnixConnector, WSMsgType, web
from multidict import CIMultiDict

from engine.api.hijack import RAW_STREAM, hijack
from engine.client import HijackedStream
from swarm.cluster.node import ClusterNode
from swarm.proxy.call import Call

_CHUNK = 64 * 1024
_HOP_BY_HOP = frozenset({"connection", "upgrade", "host", "content-length", "transfer-encoding", "expect"})


async def hijacked(call: Call, node: ClusterNode, target: str) -> web.StreamResponse:
    """Connect the client with the node's end. Errors of the engine come as ordinary answers before."""
    node.require()
    body = await call.body()
    lost = node.lost
    headers = CIMultiDict((k, v) for k, v in call.request.headers.items() if k.lower() not in _HOP_BY_HOP)
    headers.popall("Content-Type", None)
    path = f"/v{node.version_for(call.version)}{target}"
    upstream = await node.client.hijack(call.request.method, path, json=body or None, headers=headers)
    try:
        content_type = upstream.headers.get("Content-Type") or RAW_STREAM
        client = await hijack(call.request, content_type=content_type)
        await _join(client.reader, client.writer, upstream, lost)
        client.write_eof()
        return client.response
    finally:
        await upstream.close()


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: HijackedStream, lost: asyncio.Event
) -> None:
    """Until the node has no more output, the client is gone, or the node is."""

    async def input_() -> None:
        try:
            await _copy(reader, upstream.writer)
            upstream.write_eof()
        except OSError:
            pass  # the engine takes no more input; its output decides

    sending = asyncio.create_task(input_())
    receiving = asyncio.create_task(_copy(upstream.reader, writer))
    losing = asyncio.create_task(lost.wait())
    try:
        await asyncio.wait({receiving, losing}, return_when=asyncio.FIRST_COMPLETED)
        if receiving.done() and isinstance(receiving.exception(), OSError):
            return  # either end is gone
        if receiving.done():
            receiving.result()
    finally:
        for task in (sending, receiving, losing):
            task.cancel()
        await asyncio.gather(sending, receiving, losing, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()


async def websocket(call: Call, node: ClusterNode, target: str) -> web.StreamResponse:
    """attach/ws: the same over WebSocket frames."""
    node.require()
    endpoint = node.client.endpoint
    connector: Any
    if endpoint.scheme == "unix":
        connector = UnixConnector(endpoint.path)
    else:
        connector = TCPConnector(ssl=endpoint.tls.context() if endpoint.tls else True)
    url = f"{endpoint.base_url}/v{node.version_for(call.version)}{target}"
    async with ClientSession(connector=connector) as session, session.ws_connect(url) as upstream:
        client = web.WebSocketResponse()
        await client.prepare(call.request)

        async def pump(source: Any, sink: Any) -> None:
            async for message in source:
                if message.type is WSMsgType.TEXT:
                    await sink.send_str(message.data)
                elif message.type is WSMsgType.BINARY:
                    await sink.send_bytes(message.data)

        tasks = [asyncio.create_task(pump(upstream, client)), asyncio.create_task(pump(client, upstream))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()
        return client
