"""Bodies read by threads, progress reported by threads, archives sent from threads."""

from __future__ import annotations

import asyncio
import hashlib
import io
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

import pytest
from aiohttp import ClientError, web

from engine.daemon.engine import Engine
from engine.errdefs import NotFound
from engine.server import respond
from engine.server.bodystream import body_file
from engine.server.routes import Request, Route
from engine.server.transfer import Progress, relay, send_archive
from tests.unit.server.conftest import Serve


async def digest(request: Request, engine: Engine) -> web.StreamResponse:
    source = body_file(request)
    data = await asyncio.to_thread(source.read)
    return respond.json({"size": len(data), "digest": hashlib.sha256(data).hexdigest()})


async def pieces() -> AsyncIterator[bytes]:
    """A body without a length, in odd pieces."""
    for number in range(300):
        yield bytes([number % 256]) * (number * 37 % 9999 + 1)


async def test_a_body_is_a_blocking_file(serve: Serve) -> None:
    whole = b"".join([piece async for piece in pieces()])
    async with serve((Route("POST", "/x", digest),)) as client:
        for data in (pieces(), io.BytesIO(whole), b""):
            expected = b"" if data == b"" else whole
            async with client.post("/x", data=data) as response:
                assert await response.json() == {
                    "size": len(expected),
                    "digest": hashlib.sha256(expected).hexdigest(),
                }


async def test_a_client_that_leaves_ends_the_reading(serve: Serve, tmp_path: Path) -> None:
    ended: asyncio.Queue[BaseException] = asyncio.Queue()
    begun = asyncio.Event()

    async def read(request: Request, engine: Engine) -> web.StreamResponse:
        begun.set()
        try:
            await asyncio.to_thread(body_file(request).read)
        except BaseException as exc:
            ended.put_nowait(exc)
            raise
        return respond.empty()

    async with serve((Route("POST", "/x", read),)):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(tmp_path / "api.sock"))
            raw.sendall(b"POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 1000000\r\n\r\nsome")
            await begun.wait()
        assert isinstance(await ended.get(), ConnectionError | ClientError | OSError)


async def test_progress_comes_in_order_and_before_the_end(serve: Serve) -> None:
    async def work(request: Request, engine: Engine) -> web.StreamResponse:
        def blocking(progress: Progress) -> str:
            for number in range(100):
                progress({"n": number})
            raise NotFound("in the end")

        async with respond.JsonLines(request) as out:
            await relay(out, lambda progress: asyncio.to_thread(blocking, progress))
        return out.response

    async with serve((Route("POST", "/x", work, cancel=True),)) as client, client.post("/x") as response:
        lines = (await response.text()).splitlines()
    assert lines[:100] == [f'{{"n":{number}}}' for number in range(100)]
    assert lines[100:] == ['{"errorDetail":{"message":"in the end"},"error":"in the end"}']


async def test_work_that_fails_without_a_word_gives_a_status(serve: Serve) -> None:
    async def work(request: Request, engine: Engine) -> web.StreamResponse:
        async def fail(progress: Progress) -> None:
            raise NotFound("no such thing")

        async with respond.JsonLines(request) as out:
            await relay(out, fail)
        return out.response

    async with serve((Route("POST", "/x", work, cancel=True),)) as client, client.post("/x") as response:
        assert response.status == 404


class Archive(io.BytesIO):
    """Fails after some reads; remembers being closed."""

    def __init__(self, data: bytes, fail_after: int = 99) -> None:
        super().__init__(data)
        self.left = fail_after

    def read(self, size: int | None = -1, /) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise NotFound("a layer is gone")
        return super().read(size)


@pytest.mark.parametrize("fail_after", [99, 1, 0])
async def test_archives_are_sent_and_closed(serve: Serve, fail_after: int) -> None:
    data = b"tar" * 400_000
    archive = Archive(data, fail_after)

    async def send(request: Request, engine: Engine) -> web.StreamResponse:
        source: BinaryIO = archive
        return await send_archive(request, source)

    async with serve((Route("GET", "/x", send),)) as client, client.get("/x") as response:
        if fail_after == 0:
            assert response.status == 404
        elif fail_after == 1:
            with pytest.raises(ClientError):
                await response.read()
        else:
            assert response.content_type == "application/x-tar"
            assert await response.read() == data
    assert archive.closed


async def test_a_client_that_asks_first_is_told_to_go_on(serve: Serve) -> None:
    async with (
        serve((Route("POST", "/x", digest),)) as client,
        client.post("/x", data=b"data", expect100=True) as response,
    ):
        assert (await response.json())["size"] == 4
