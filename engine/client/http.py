"""Plain requests and responses, over one pooled aiohttp session per client."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import msgspec
from multidict import CIMultiDictProxy
from yarl import URL

from engine.client.config import Endpoint
from engine.client.errors import error_for
from engine.errdefs import Unavailable

CHUNK = 64 * 1024


class Response:
    """An answer whose body has not been read. Read it or `close` it: it holds a connection."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status: int = response.status
        self.headers: CIMultiDictProxy[str] = response.headers

    async def read(self) -> bytes:
        """The whole body."""
        with _translated():
            return await self._response.read()

    async def json(self) -> Any:
        """The whole body as JSON; None if it is empty."""
        body = await self.read()
        return msgspec.json.decode(body) if body.strip() else None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives; the connection is let go of at the end."""
        try:
            with _translated():
                async for chunk in self._response.content.iter_any():
                    yield chunk
        finally:
            self.close()

    async def lines(self) -> AsyncIterator[Any]:
        """The body as a stream of JSON values, whatever white space stands between them."""
        buffer = b""
        async for chunk in self.chunks():
            *complete, buffer = (buffer + chunk).split(b"\n")
            for line in complete:
                if line.strip():
                    yield msgspec.json.decode(line)
        if buffer.strip():
            yield msgspec.json.decode(buffer)

    async def raise_for_status(self) -> None:
        """Raise the errdefs class of a status ≥ 300; 304 raises NotModified."""
        if self.status >= 300:
            raise error_for(self.status, await self.read())

    def close(self) -> None:
        """Let go of the connection; what was not read is lost."""
        self._response.close()


class _translated:
    """Foreign connection errors become Unavailable."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        if isinstance(exc, (aiohttp.ClientError, ConnectionError)):
            raise Unavailable(f"connection to the engine was lost: {exc}") from exc


class HttpTransport:
    """Requests to one endpoint. No time limit of its own: waits and logs take as long as they take."""

    def __init__(self, endpoint: Endpoint, *, connect_timeout: float = 30.0) -> None:
        self.endpoint = endpoint
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector: aiohttp.BaseConnector
            if self.endpoint.scheme == "unix":
                connector = aiohttp.UnixConnector(self.endpoint.path, limit=0)
            else:
                tls = self.endpoint.tls.context() if self.endpoint.tls else True
                connector = aiohttp.TCPConnector(limit=0, ssl=tls)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, auto_decompress=False
            )
        return self._session

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any,
        headers: Mapping[str, str],
        timeout: float | None,
    ) -> Response:
        """Send a request and wait for the response's head.

        path: with its query string, encoded. timeout: seconds until the head, None for ever.
        """
        session = self._open()
        url = URL(self.endpoint.base_url + path, encoded=True)
        try:
            async with asyncio.timeout(timeout):
                response = await session.request(
                    method, url, data=body, headers=headers, allow_redirects=False,
                    skip_auto_headers=("Content-Type",),  # dockerd minds octet-stream on an empty body
                )  # fmt: skip
        except TimeoutError as exc:
            raise Unavailable(f"the engine at {self.endpoint} did not answer within {timeout:g} s") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise unreachable(self.endpoint, exc) from exc
        return Response(response)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def unreachable(endpoint: Endpoint, exc: BaseException) -> Unavailable:
    """docker's sentence for an engine that isn't there, with the cause."""
    error = getattr(exc, "os_error", exc)  # aiohttp's own sentence says the same twice
    if isinstance(error, PermissionError):
        return Unavailable(
            f"permission denied while trying to connect to the Docker daemon socket at {endpoint}: "
            "become root, or a member of the group that owns it"
        )
    cause = str(exc)
    if isinstance(error, OSError) and error.errno:
        # The resolver's numbers are negative, and it has words of its own.
        cause = os.strerror(error.errno) if error.errno > 0 else error.strerror or cause
    return Unavailable(
        f"Cannot connect to the Docker daemon at {endpoint}. Is the docker daemon running? ({cause})"
    )
