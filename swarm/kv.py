"""Contract of a key-value store: what discovery (and, one day, the election of a leader) stands on.

Vocabulary
    revision    a number that grows with every change of the store; an entry has that of its last change.
    lease       a time to live that several keys may hang on; when it ends they are deleted.

Keys are paths without a leading slash (``docker/swarm/nodes/10.0.0.1:2375``); values are bytes. Example::

    store = load("kv", "etcd")(hosts=["127.0.0.1:2379"], options={})
    async with store:
        lease = await store.grant(ttl=180)
        await store.put("docker/swarm/nodes/10.0.0.1:2375", b"10.0.0.1:2375", lease=lease)
        async for entries in store.watch("docker/swarm/nodes/"):
            print([e.key for e in entries])

Every method raises Unavailable when the store can't be reached.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class Entry:
    """A key, its value, and the revision of its last change."""

    key: str
    value: bytes
    revision: int


class KeyValueStore(Protocol):
    """One store. Constructed as ``Store(hosts: Sequence[str], options: Mapping[str, str])``.

    hosts: what stands in the URL before the prefix (for sqlite one path). options: `--discovery-opt`
    pairs, such as kv.cacertfile, kv.certfile, kv.keyfile.
    """

    async def get(self, key: str) -> Entry | None:
        """The entry, None if there is none."""
        ...

    async def list(self, prefix: str) -> Sequence[Entry]:
        """All entries whose keys begin with `prefix`, sorted by key."""
        ...

    async def put(self, key: str, value: bytes, *, lease: int | None = None) -> int:
        """Write; returns the revision. lease: from `grant`; NotFound if it has ended."""
        ...

    async def compare_and_swap(
        self, key: str, value: bytes, *, revision: int, lease: int | None = None
    ) -> int | None:
        """Write only if the key's revision is `revision` (0: it must not exist); None if it is not."""
        ...

    async def delete(self, key: str) -> None:
        """Delete; a missing key is no error."""
        ...

    async def grant(self, ttl: float) -> int:
        """A new lease of `ttl` seconds (stores may round up to whole ones)."""
        ...

    async def keep_alive(self, lease: int) -> None:
        """Begin the lease's time anew; NotFound if it has ended."""
        ...

    async def revoke(self, lease: int) -> None:
        """End a lease and delete its keys; an unknown one is no error."""
        ...

    def watch(self, prefix: str) -> AsyncIterator[Sequence[Entry]]:
        """All entries below `prefix` now, and all of them again after each change, until it is closed.

        Changes close together may come as one.
        """
        ...

    async def __aenter__(self) -> Self:
        """Connect."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of connections; leases run on."""
        ...
