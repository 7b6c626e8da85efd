"""Hijacked connections from the client's side (see `engine.api.hijack` for the exchange)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from multidict import CIMultiDict

from engine.api.halfclose import keep_open_after_eof, write_eof
from engine.api.stdcopy import Decoder
from engine.client.config import Endpoint
from engine.client.errors import error_for
from engine.client.http import unreachable
from engine.errdefs import SystemFailure

MAX_HEAD = 64 * 1024


@dataclass(slots=True)
class HijackedStream:
    """An attached process. Output comes from `reader`, input goes to `writer`."""

    status: int
    headers: CIMultiDict[str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def write_eof(self) -> None:
        """No more input; output goes on."""
        write_eof(self.writer)

    async def demultiplex(self) -> list[tuple[int, bytes]]:
        """The next stdcopy frames (at least one), or an empty list at the end. Not for a tty."""
        decoder = self._decoder
        while chunk := await self.reader.read(64 * 1024):
            frames = list(decoder.feed(chunk))
            if frames:
                return frames
        return []

    async def close(self) -> None:
        """Let go; the process runs on."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass  # the other side was first

    _decoder: Decoder = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self._decoder = Decoder()


async def connect(endpoint: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A raw connection to an endpoint, TLS done."""
    try:
        if endpoint.scheme == "unix":
            return await asyncio.open_unix_connection(endpoint.path)
        tls = endpoint.tls.context() if endpoint.tls else None
        return await asyncio.open_connection(endpoint.host, endpoint.port, ssl=tls)
    except OSError as exc:
        raise unreachable(endpoint, exc) from exc


async def upgrade(
    endpoint: Endpoint, method: str, target: str, headers: Mapping[str, str], body: bytes
) -> HijackedStream:
    """Send a request that asks for the connection; raises the error an ordinary answer carries.

    target: path with its query string, encoded.
    """
    reader, writer = await connect(endpoint)
    try:
        lines = [f"{method} {target} HTTP/1.1", "Host: docker", "Connection: Upgrade", "Upgrade: tcp"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()
        keep_open_after_eof(writer.transport)
        status, answer = await _read_head(reader)
        if status not in (101, 200):
            raise error_for(status, await _read_body(reader, answer))
    except (OSError, EOFError) as exc:
        writer.close()
        raise unreachable(endpoint, exc) from exc
    except BaseException:
        writer.close()
        raise
    return HijackedStream(status, answer, reader, writer)


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, CIMultiDict[str]]:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *rest = head[:-4].decode("latin-1").split("\r\n")
    parts = first.split(" ", 2)
    if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
        raise SystemFailure(f"the engine answered with no HTTP: {first[:80]!r}")
    headers: CIMultiDict[str] = CIMultiDict()
    for line in rest:
        name, _, value = line.partition(":")
        headers.add(name.strip(), value.strip())
    return int(parts[1]), headers


async def _read_body(reader: asyncio.StreamReader, headers: CIMultiDict[str]) -> bytes:
    length = headers.get("Content-Length")
    if length is not None and length.isdigit():
        return await reader.readexactly(int(length))
    if headers.get("Transfer-Encoding", "").lower() != "chunked":
        return b""
    body = b""
    while size := int((await reader.readline()).split(b";")[0] or b"0", 16):
        body += await reader.readexactly(size)
        await reader.readline()
    return body
