"""Where the nodes are: a list, a file, or a key-value store.

    nodes://h:p,h:p   h:p,h:p   10.0.0.[10:200]:2375     a list; [a:b] is a range
    file:///path                                       one a line, # comments; looked at whenever it changes
    sqlite:///path   etcd://a:p,b:p/prefix             kept by `pyswarm join` under PREFIX/docker/swarm/nodes

A node is ``host:port``; for an engine on this host also ``unix:///path``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from engine.driverapi.registry import load, names
from engine.errdefs import DockyardError, InvalidParameter, NotFound, Unavailable, Unsupported
from swarm.kv import KeyValueStore

_RANGE = re.compile(r"\[(\d+):(\d+)\]")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}")
_FILE_POLL = 0.5
_KV_PATH = "docker/swarm/nodes"


class Discovery(Protocol):
    """A source of addresses."""

    async def fetch(self) -> list[str]:
        """The nodes now; Unavailable if the source can't be read."""
        ...

    def watch(self) -> AsyncIterator[list[str]]:
        """The nodes now and after each change."""
        ...


class Registrar(Protocol):
    """Optional ability: telling others of a node."""

    async def register(self, address: str, *, ttl: float, heartbeat: float) -> None:
        """Keep the node known until cancelled; it is forgotten `ttl` seconds after the last heartbeat."""
        ...


def parse(url: str, options: Mapping[str, str] | None = None) -> Discovery:
    """The discovery that `url` names; InvalidParameter if it is none."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme == "unix":
        return StaticDiscovery(url.split(","))
    if scheme == "nodes":
        return StaticDiscovery(rest.split(","))
    if scheme == "file":
        return FileDiscovery(Path(rest))
    if scheme == "token":
        raise Unsupported("the hosted discovery service (token://) is gone: use nodes, file, sqlite or etcd")
    if scheme in names("kv"):
        return StoreDiscovery(scheme, rest, options or {})
    known = ", ".join(["nodes", "file", *names("kv")])
    raise InvalidParameter(f"unknown discovery {scheme!r} in {url!r} (known: {known})")


def expand(entries: Iterable[str]) -> list[str]:
    """Addresses with their ranges written out, each once; InvalidParameter for one that is none.

    >>> expand(["10.0.0.[8:10]:2375"])
    ['10.0.0.8:2375', '10.0.0.9:2375', '10.0.0.10:2375']
    """
    found: dict[str, None] = {}
    for entry in entries:
        text = entry.strip()
        if text:
            for address in _expand(text.removeprefix("tcp://")):
                found[checked(address)] = None
    return list(found)


def _expand(text: str) -> list[str]:
    match = _RANGE.search(text)
    if match is None:
        return [text]
    first, last = int(match[1]), int(match[2])
    if first > last or last - first > 1 << 16:
        raise InvalidParameter(f"invalid range {match[0]} in {text!r}: give [first:last]")
    width = len(match[1]) if match[1].startswith("0") else 0
    numbers = (str(n).zfill(width) for n in range(first, last + 1))
    return [one for n in numbers for one in _expand(text[: match.start()] + n + text[match.end() :])]


def checked(address: str) -> str:
    """`address` if it is one."""
    if address.startswith("unix:///") or _ADDRESS.fullmatch(address):
        return address
    raise InvalidParameter(f"invalid node address {address!r}: give host:port")


class StaticDiscovery:
    """A list that never changes."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._addresses = expand(entries)

    async def fetch(self) -> list[str]:
        """The list."""
        return self._addresses

    async def watch(self) -> AsyncIterator[list[str]]:
        """The list, once."""
        yield self._addresses


class FileDiscovery:
    """A file that is read again when its time or size changes. A line that is wrong makes the file wrong."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def fetch(self) -> list[str]:
        """The lines without comments."""
        try:
            text = self._path.read_text()
        except OSError as exc:
            raise Unavailable(f"cannot read {self._path}: {exc.strerror}") from exc
        return expand(line.partition("#")[0] for line in text.splitlines())

    async def watch(self) -> AsyncIterator[list[str]]:
        """Looks twice a second; a file that becomes unreadable leaves things as they are."""
        seen, last = self._stamp(), await self.fetch()
        yield last
        while True:
            await asyncio.sleep(_FILE_POLL)
            stamp = self._stamp()
            if stamp is None or stamp == seen:
                continue
            seen = stamp
            try:
                now = await self.fetch()
            except DockyardError:
                continue
            if now != last:
                last = now
                yield now

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


class StoreDiscovery:
    """Nodes that register themselves in a key-value store, as ``docker/swarm/nodes/ADDRESS``."""

    def __init__(self, scheme: str, rest: str, options: Mapping[str, str]) -> None:
        hosts, prefix = ([rest], "") if scheme == "sqlite" else _hosts_and_prefix(rest)
        path = options.get("kv.path") or _KV_PATH
        self._directory = "/".join(p.strip("/") for p in (prefix, path) if p.strip("/")) + "/"
        self._store: KeyValueStore = load("kv", scheme)(hosts, options)

    async def fetch(self) -> list[str]:
        """The nodes registered now."""
        async with self._store as store:
            return self._addresses([entry.key for entry in await store.list(self._directory)])

    async def watch(self) -> AsyncIterator[list[str]]:
        """The nodes, and again after each change."""
        async with self._store as store:
            async for entries in store.watch(self._directory):
                yield self._addresses([entry.key for entry in entries])

    def _addresses(self, keys: Sequence[str]) -> list[str]:
        return expand(key.removeprefix(self._directory) for key in keys)

    async def register(self, address: str, *, ttl: float, heartbeat: float) -> None:
        """Keep a key alive by a lease; register anew if the lease was lost."""
        key = self._directory + checked(address)
        async with self._store as store:
            lease: int | None = None
            while True:
                try:
                    if lease is None:
                        lease = await store.grant(ttl)
                        await store.put(key, address.encode(), lease=lease)
                    else:
                        await store.keep_alive(lease)
                except NotFound:
                    lease = None
                    continue
                except Unavailable:
                    pass  # the next heartbeat tries again; the time to live covers a few lost ones
                await asyncio.sleep(heartbeat)


def _hosts_and_prefix(rest: str) -> tuple[list[str], str]:
    hosts, _, prefix = rest.partition("/")
    return hosts.split(","), prefix
