"""A store in etcd, API v3, through its JSON gateway (https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/).

Keys and values travel as base64, numbers as strings. Endpoints are tried in turn until one answers.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from engine.errdefs import InvalidParameter, NotFound, Unavailable
from swarm.kv import Entry

_TIMEOUT = aiohttp.ClientTimeout(total=5, connect=2)
_STREAMING = aiohttp.ClientTimeout(total=None, connect=2)
_RETRY = 0.5


class EtcdStore:
    """See `swarm.kv.KeyValueStore`. hosts: ``host:port`` of the members."""

    def __init__(self, hosts: Sequence[str], options: Mapping[str, str]) -> None:
        if not hosts or not all(hosts):
            raise InvalidParameter("an etcd store needs at least one member, as in etcd://10.0.0.1:2379")
        self._tls = _tls(options)
        scheme = "https" if self._tls else "http"
        self._urls = [f"{scheme}://{host}" for host in hosts]
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open a session; the first request connects."""
        self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, key: str) -> Entry | None:
        """The entry, None if there is none."""
        found = _entries(await self._call("kv/range", {"key": _encode(key)}))
        return found[0] if found else None

    async def list(self, prefix: str) -> Sequence[Entry]:
        """All entries below `prefix`."""
        return (await self._range(prefix))[0]

    async def _range(self, prefix: str) -> tuple[Sequence[Entry], int]:
        answer = await self._call(
            "kv/range", {**_below(prefix), "sort_target": "KEY", "sort_order": "ASCEND"}
        )
        return _entries(answer), int(answer["header"]["revision"])

    async def put(self, key: str, value: bytes, *, lease: int | None = None) -> int:
        """Write; returns the revision."""
        answer = await self._call("kv/put", _put(key, value, lease))
        return int(answer["header"]["revision"])

    async def compare_and_swap(
        self, key: str, value: bytes, *, revision: int, lease: int | None = None
    ) -> int | None:
        """Write if the key has that revision, 0 for none."""
        condition = {
            "key": _encode(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(revision),
        }  # fmt: skip
        answer = await self._call(
            "kv/txn", {"compare": [condition], "success": [{"request_put": _put(key, value, lease)}]}
        )
        return int(answer["header"]["revision"]) if answer.get("succeeded") else None

    async def delete(self, key: str) -> None:
        """Delete a key."""
        await self._call("kv/deleterange", {"key": _encode(key)})

    async def grant(self, ttl: float) -> int:
        """A new lease, in whole seconds."""
        answer = await self._call("lease/grant", {"TTL": str(max(1, math.ceil(ttl))), "ID": "0"})
        return int(answer["ID"])

    async def keep_alive(self, lease: int) -> None:
        """Begin its time anew."""
        answer = await self._call("lease/keepalive", {"ID": str(lease)})
        if int(answer.get("result", {}).get("TTL") or 0) <= 0:
            raise NotFound(f"lease {lease} has ended")

    async def revoke(self, lease: int) -> None:
        """End it."""
        try:
            await self._call("lease/revoke", {"ID": str(lease)})
        except NotFound:
            pass

    async def watch(self, prefix: str) -> AsyncIterator[Sequence[Entry]]:
        """All entries now and after each change. A broken connection is mended, missing nothing."""
        last: Sequence[Entry] | None = None
        while True:
            try:
                entries, revision = await self._range(prefix)
                if entries != last:
                    last = entries
                    yield entries
                await self._changed_after(prefix, revision)
            except Unavailable:
                if last is None:
                    raise
                await asyncio.sleep(_RETRY)

    async def _changed_after(self, prefix: str, revision: int) -> None:
        """Until something below `prefix` has a revision greater than `revision`."""
        request = {"create_request": {**_below(prefix), "start_revision": str(revision + 1)}}
        response = await self._post("watch", request, _STREAMING)
        try:
            async for line in response.content:
                result = msgspec.json.decode(line).get("result", {})
                if result.get("events") or result.get("canceled"):
                    return
        except aiohttp.ClientError as exc:
            raise Unavailable(f"the connection to etcd was lost: {exc}") from exc
        finally:
            response.close()

    # Requests

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._tls or True)
            self._session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT)
        return self._session

    async def _call(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        response = await self._post(method, body, _TIMEOUT)
        try:
            # A stream's first message is a line of its own; all else is one message.
            raw = await response.content.readline()
            return dict(msgspec.json.decode(raw + await response.content.read()))
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise Unavailable(f"the connection to etcd was lost: {exc}") from exc
        finally:
            response.release()

    async def _post(
        self, method: str, body: Mapping[str, Any], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        session, failure = self._open(), ""
        for url in list(self._urls):
            try:
                response = await session.post(f"{url}/v3/{method}", json=body, timeout=timeout)
            except (aiohttp.ClientError, TimeoutError, OSError) as exc:
                failure = str(exc) or type(exc).__name__
                self._urls = [*self._urls[1:], self._urls[0]]
                continue
            if response.status < 300:
                return response
            text = await response.text()
            if response.status == 404 or "lease not found" in text:
                raise NotFound(f"etcd: {_message(text)}")
            failure = _message(text)
        raise Unavailable(f"no member of etcd answers ({', '.join(self._urls)}): {failure}")


def _encode(key: str) -> str:
    return b64encode(key.encode()).decode()


def _below(prefix: str) -> dict[str, str]:
    """A range of all keys with the prefix: its end is the prefix with its last byte one greater."""
    raw = prefix.encode()
    end = raw[:-1] + bytes([raw[-1] + 1]) if raw else b"\0"
    return {"key": b64encode(raw or b"\0").decode(), "range_end": b64encode(end).decode()}


def _put(key: str, value: bytes, lease: int | None) -> dict[str, str]:
    request = {"key": _encode(key), "value": b64encode(value).decode()}
    return request if lease is None else {**request, "lease": str(lease)}


def _entries(answer: Mapping[str, Any]) -> list[Entry]:
    return [
        Entry(b64decode(kv["key"]).decode(), b64decode(kv.get("value", "")), int(kv["mod_revision"]))
        for kv in answer.get("kvs") or ()
    ]


def _message(text: str) -> str:
    try:
        return str(msgspec.json.decode(text)["error"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return text.strip()[:200]


def _tls(options: Mapping[str, str]) -> ssl.SSLContext | None:
    ca, cert, key = (options.get(f"kv.{name}") for name in ("cacertfile", "certfile", "keyfile"))
    if not ca and not cert:
        return None
    try:
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if cert:
            context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as exc:
        raise InvalidParameter(f"cannot use the TLS files for etcd ({ca}, {cert}, {key}): {exc}") from exc
    return context
