"""A store in one SQLite file: the default where all managers and agents share a disk.

Every change counts the revision up, in the same transaction; watching is polling that one number.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from engine.errdefs import InvalidParameter, NotFound, Unavailable
from swarm.kv import Entry

_POLL = 0.2
_BUSY_MS = 5000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS leases (
    id INTEGER PRIMARY KEY AUTOINCREMENT, ttl REAL NOT NULL, ends REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL,
    lease INTEGER REFERENCES leases (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (revision INTEGER NOT NULL);
INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter);
"""

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class SqliteStore:
    """See `swarm.kv.KeyValueStore`. hosts: one path of a file whose directory exists."""

    def __init__(self, hosts: Sequence[str], options: Mapping[str, str]) -> None:
        if len(hosts) != 1 or not hosts[0]:
            raise InvalidParameter("a sqlite store needs one path, as in sqlite:///var/lib/pyswarm/kv.db")
        self._path = hosts[0]
        self._conn: sqlite3.Connection | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Open the file, creating it if need be."""
        await self._run(lambda conn: None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        conn, self._conn = self._conn, None
        if conn is not None:
            await asyncio.to_thread(conn.close)

    async def get(self, key: str) -> Entry | None:
        """The entry, None if there is none."""
        found = await self._run(
            lambda c: c.execute("SELECT key, value, revision FROM entries WHERE key = ?", (key,)).fetchone()
        )
        return Entry(*found) if found else None

    async def list(self, prefix: str) -> Sequence[Entry]:
        """All entries below `prefix`."""
        return await self._run(lambda c: _list(c, prefix))

    async def put(self, key: str, value: bytes, *, lease: int | None = None) -> int:
        """Write; returns the revision."""
        return await self._run(lambda c: _put(c, key, value, lease))

    async def compare_and_swap(
        self, key: str, value: bytes, *, revision: int, lease: int | None = None
    ) -> int | None:
        """Write if the key has that revision, 0 for none."""

        def work(conn: sqlite3.Connection) -> int | None:
            found = conn.execute("SELECT revision FROM entries WHERE key = ?", (key,)).fetchone()
            if (found[0] if found else 0) != revision:
                return None
            return _put(conn, key, value, lease)

        return await self._run(work)

    async def delete(self, key: str) -> None:
        """Delete a key."""

        def work(conn: sqlite3.Connection) -> None:
            if conn.execute("DELETE FROM entries WHERE key = ?", (key,)).rowcount:
                _next_revision(conn)

        await self._run(work)

    async def grant(self, ttl: float) -> int:
        """A new lease."""

        def work(conn: sqlite3.Connection) -> int:
            made = conn.execute("INSERT INTO leases (ttl, ends) VALUES (?, ?)", (ttl, time.time() + ttl))
            return int(made.lastrowid or 0)

        return await self._run(work)

    async def keep_alive(self, lease: int) -> None:
        """Begin its time anew."""

        def work(conn: sqlite3.Connection) -> None:
            renewed = conn.execute("UPDATE leases SET ends = ? + ttl WHERE id = ?", (time.time(), lease))
            if not renewed.rowcount:
                raise NotFound(f"lease {lease} has ended")

        await self._run(work)

    async def revoke(self, lease: int) -> None:
        """End it."""

        def work(conn: sqlite3.Connection) -> None:
            if conn.execute("DELETE FROM leases WHERE id = ?", (lease,)).rowcount:
                _next_revision(conn)

        await self._run(work)

    async def watch(self, prefix: str) -> AsyncIterator[Sequence[Entry]]:
        """All entries now and after each change."""
        last: Sequence[Entry] | None = None
        seen = -1
        while True:
            revision = await self._run(_revision)
            if revision != seen:
                seen = revision
                entries = await self.list(prefix)
                if entries != last:
                    last = entries
                    yield entries
            await asyncio.sleep(_POLL)

    async def _run(self, work: Work[T]) -> T:
        """`work` in one transaction in a thread, ended leases removed before."""
        async with self._turn:
            try:
                return await asyncio.to_thread(self._transact, work)
            except sqlite3.Error as exc:
                raise Unavailable(f"the store {self._path} cannot be used: {exc}") from exc

    def _transact(self, work: Work[T]) -> T:
        conn = self._conn
        if conn is None:
            conn = self._conn = _open(self._path)
        ended = conn.execute("SELECT 1 FROM leases WHERE ends <= ? LIMIT 1", (time.time(),)).fetchone()
        conn.execute("BEGIN IMMEDIATE" if ended or work is not _revision else "BEGIN")
        try:
            if ended:
                conn.execute("DELETE FROM leases WHERE ends <= ?", (time.time(),))
                _next_revision(conn)
            result = work(conn)
        except BaseException:
            conn.execute("ROLLBACK")
            raise
        conn.execute("COMMIT")
        return result


def _open(path: str) -> sqlite3.Connection:
    conn = sqlite3.connect(path, _BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    _use_wal(conn)
    conn.execute("PRAGMA foreign_keys=ON")
    conn.executescript(_SCHEMA)
    return conn


def _use_wal(conn: sqlite3.Connection) -> None:
    """Two who open a new file at once both want to convert it, and the loser is told so without waiting."""
    deadline = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            conn.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.005)


def _revision(conn: sqlite3.Connection) -> int:
    return int(conn.execute("SELECT revision FROM counter").fetchone()[0])


def _next_revision(conn: sqlite3.Connection) -> int:
    return int(conn.execute("UPDATE counter SET revision = revision + 1 RETURNING revision").fetchone()[0])


def _list(conn: sqlite3.Connection, prefix: str) -> list[Entry]:
    rows = conn.execute(
        "SELECT key, value, revision FROM entries WHERE substr(key, 1, ?) = ? ORDER BY key",
        (len(prefix), prefix),
    )
    return [Entry(*row) for row in rows]


def _put(conn: sqlite3.Connection, key: str, value: bytes, lease: int | None) -> int:
    if lease is not None and not conn.execute("SELECT 1 FROM leases WHERE id = ?", (lease,)).fetchone():
        raise NotFound(f"lease {lease} has ended")
    revision = _next_revision(conn)
    conn.execute(
        "INSERT INTO entries (key, value, revision, lease) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE "
        "SET value = excluded.value, revision = excluded.revision, lease = excluded.lease",
        (key, value, revision, lease),
    )
    return revision
