"""Between blocking work in threads and an answer: progress messages, and archives on their way out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, BinaryIO, TypeVar

from aiohttp import web

from engine.server.respond import JsonLines

T = TypeVar("T")
Progress = Callable[[dict[str, Any]], None]

CHUNK = 1 << 18


async def relay(out: JsonLines, work: Callable[[Progress], Awaitable[T]]) -> T:
    """Run ``work(progress)`` and send each message that it reports, from whatever thread, as it comes.

    If the client goes away, the work is cancelled.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def progress(message: dict[str, Any]) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, message)

    async def run() -> T:
        try:
            return await work(progress)
        finally:
            # Behind what was reported: call_soon_threadsafe keeps the order.
            loop.call_soon(queue.put_nowait, None)

    task = asyncio.create_task(run())
    try:
        while (message := await queue.get()) is not None:
            await out.send(message)
        return await task
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def send_archive(
    request: web.BaseRequest, source: BinaryIO, headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """Send a tar stream that blocks while it is read; closes it at the end, whatever the end is."""
    response = web.StreamResponse(headers={"Content-Type": "application/x-tar", **(headers or {})})
    try:
        # The first read before the headers, so that an early failure is a status.
        chunk = await asyncio.to_thread(source.read, CHUNK)
        await response.prepare(request)
        while chunk:
            await response.write(chunk)
            chunk = await asyncio.to_thread(source.read, CHUNK)
        await response.write_eof()
    finally:
        await asyncio.to_thread(source.close)
    return response
