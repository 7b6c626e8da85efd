"""One repository of one registry, spoken to by the distribution protocol (OCI distribution spec v1.1).

    async with Repository(endpoint, "library/busybox", credentials, "pull") as repository:
        manifest = await repository.manifest("latest", accept)
        async for piece in repository.blob(digest): ...

A refusal raises RegistryError, no answer raises Unreachable. What arrives is not verified here: the
caller hashes it while it stores it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from engine.registry.auth import Challenge, Credentials, parse_challenge, token_of
from engine.registry.endpoints import Endpoint, RegistryOptions, is_insecure
from engine.registry.errors import RegistryError, Unreachable, refusal, unreachable

_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
_MAX_MANIFEST = 4 << 20
_CHUNK = 1 << 18
_USER_AGENT = "dockyard"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or index as it was sent. digest: what the registry says it is, "" if it doesn't."""

    media_type: str
    raw: bytes
    digest: str


class Repository:
    """See the module's text. actions: "pull" or "pull,push"."""

    def __init__(self, endpoint: Endpoint, path: str, credentials: Credentials, actions: str) -> None:
        self.endpoint = endpoint
        self._path = path
        self._credentials = credentials
        self._scope = f"repository:{path}:{actions}" if path else ""
        self._authorization = ""
        self._challenge: Challenge | None = None
        self._login = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Repository:
        # aiohttp: True is the default context, False takes any certificate
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.endpoint.verify, limit_per_host=8),
            timeout=_TIMEOUT,
            headers={"User-Agent": _USER_AGENT},
            auto_decompress=False,
            # a proxy named in the environment is not asked for what runs on this very host
            trust_env=not is_insecure(urlsplit(self.endpoint.url).netloc, RegistryOptions()),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def _url(self, rest: str) -> str:
        return f"{self.endpoint.url}/v2/{self._path}/{rest}"

    # Requests

    @asynccontextmanager
    async def _request(
        self, method: str, url: str, *, headers: dict[str, str] | None = None, data: Any = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request; a 401 is answered once with credentials, so `data` should be bytes."""
        for attempt in (1, 2):
            async with self._send(method, url, headers, data) as response:
                if response.status == 401 and attempt == 1 and await self._answer(response):
                    continue
                yield response
                return

    @asynccontextmanager
    async def _send(
        self, method: str, url: str, headers: dict[str, str] | None, data: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._session is not None
        sent = dict(headers or {})
        if self._authorization and _same_host(url, self.endpoint.url):
            sent["Authorization"] = self._authorization
        try:
            response = await self._session.request(method, URL(url, encoded=True), headers=sent, data=data)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise unreachable(url, exc) from exc
        try:
            yield response
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise unreachable(url, exc) from exc
        finally:
            response.release()

    async def ping(self) -> None:
        """Whether a registry answers there, and how it wants us to log in."""
        async with self._send("GET", f"{self.endpoint.url}/v2/", None, None) as response:
            if response.status == 401:
                await self._answer(response)
            elif response.status >= 400:
                raise refusal(response.status, await response.read())

    async def log_in(self) -> None:
        """Check the credentials: RegistryError if the registry does not take them."""
        url = f"{self.endpoint.url}/v2/"
        async with self._request("GET", url) as response:
            if response.status >= 400:
                raise refusal(response.status, await response.read())

    async def _answer(self, response: aiohttp.ClientResponse) -> bool:
        """Log in as a 401 demands; False if there is nothing (more) to log in with."""
        before = response.request_info.headers.get("Authorization", "")
        async with self._login:
            if self._authorization and self._authorization != before:
                return True  # somebody did meanwhile
            for value in response.headers.getall("WWW-Authenticate", []):
                challenge = parse_challenge(value)
                if challenge is None:
                    continue
                if challenge.scheme == "bearer":
                    self._authorization = "Bearer " + await self._token(challenge)
                    return True
                if challenge.scheme == "basic":
                    if not self._credentials.username:
                        raise RegistryError("no basic auth credentials", code="UNAUTHORIZED", status=401)
                    if before == self._credentials.basic:
                        return False
                    self._authorization = self._credentials.basic
                    return True
        return False

    async def _token(self, challenge: Challenge) -> str:
        """A bearer token of the challenge's realm, for our scope."""
        if self._credentials.registry_token:
            return self._credentials.registry_token
        realm = challenge.parameters.get("realm", "")
        wanted = {key: challenge.parameters[key] for key in ("service",) if key in challenge.parameters}
        if self._scope:
            wanted["scope"] = self._scope
        assert self._session is not None
        try:
            if self._credentials.identity_token:
                form = {**wanted, "grant_type": "refresh_token", "client_id": _USER_AGENT,
                        "refresh_token": self._credentials.identity_token}  # fmt: skip
                answer = self._session.post(realm, data=form)
            else:
                headers = {"Authorization": self._credentials.basic} if self._credentials.username else {}
                if self._credentials.username:
                    wanted["account"] = self._credentials.username
                answer = self._session.get(realm, params=wanted, headers=headers)
            async with answer as response:
                body = await response.read()
                if response.status != 200:
                    raise refusal(response.status, body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
            raise unreachable(realm, exc) from exc
        try:
            token = token_of(json.loads(body))
        except ValueError:
            token = ""
        if not token:
            raise RegistryError("authorization server did not include a token in the response")
        return token

    # Reading

    async def manifest(self, reference: str, accept: Iterable[str]) -> Manifest:
        """A manifest or index by tag or digest."""
        headers = {"Accept": ", ".join(accept)}
        async with self._request("GET", self._url(f"manifests/{reference}"), headers=headers) as response:
            if response.status != 200:
                raise refusal(response.status, await response.read())
            raw = await response.content.read(_MAX_MANIFEST + 1)
            while len(raw) <= _MAX_MANIFEST and (more := await response.content.read(_MAX_MANIFEST)):
                raw += more
            if len(raw) > _MAX_MANIFEST:
                raise RegistryError(f"the manifest of {reference} is larger than {_MAX_MANIFEST} bytes")
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
            return Manifest(kind, raw, response.headers.get("Docker-Content-Digest", ""))

    async def blob(self, digest: str) -> AsyncIterator[bytes]:
        """A blob's bytes, piece by piece."""
        async with self._request("GET", self._url(f"blobs/{digest}")) as response:
            if response.status != 200:
                raise refusal(response.status, await response.read())
            expected = response.content_length
            received = 0
            async for piece in response.content.iter_chunked(_CHUNK):
                received += len(piece)
                yield piece
            if expected is not None and received != expected:
                raise Unreachable(f"unexpected EOF: {received} of {expected} bytes of {digest} arrived")

    async def has_blob(self, digest: str) -> bool:
        """Whether the repository has the blob already."""
        async with self._request("HEAD", self._url(f"blobs/{digest}")) as response:
            if response.status in (200, 404):
                return response.status == 200
            raise refusal(response.status, b"")

    # Writing

    async def upload(self, digest: str, size: int, pieces: AsyncIterator[bytes]) -> None:
        """Send a blob in one go."""
        async with self._request("POST", self._url("blobs/uploads/"), data=b"") as response:
            if response.status != 202:
                raise refusal(response.status, await response.read())
            location = urljoin(str(response.url), response.headers.get("Location", ""))
        separator = "&" if urlsplit(location).query else "?"
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        target = f"{location}{separator}digest={digest}"
        async with self._request("PUT", target, headers=headers, data=pieces) as response:
            if response.status != 201:
                raise refusal(response.status, await response.read())

    async def put_manifest(self, reference: str, media_type: str, raw: bytes) -> None:
        """Store a manifest under a tag or its digest."""
        url, headers = self._url(f"manifests/{reference}"), {"Content-Type": media_type}
        async with self._request("PUT", url, headers=headers, data=raw) as response:
            if response.status not in (200, 201):
                raise refusal(response.status, await response.read())


def _same_host(url: str, base: str) -> bool:
    """Credentials go to the registry itself, not to where it may send an upload."""
    return urlsplit(url).netloc == urlsplit(base).netloc
