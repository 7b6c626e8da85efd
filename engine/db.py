"""The engine's metadata: one SQLite file in WAL mode (`<data-root>/engine.db`).

Each store owns its tables and creates them in its constructor::

    db.script("CREATE TABLE IF NOT EXISTS volumes (name TEXT PRIMARY KEY, doc BLOB NOT NULL)")
    with db.transaction() as tx:
        tx.execute("INSERT INTO volumes VALUES (?, ?)", (name, doc))

A state change is one transaction. Transactions of different stores nest into one when the callee
runs inside the caller's ``with`` block on the same thread, so a use case can commit several
stores' changes together.

``synchronous=NORMAL`` with WAL: a crash of the process loses nothing; a power cut may lose the
last transactions, but never tears one (https://www.sqlite.org/wal.html#performance_considerations).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Database:
    """A connection shared by all threads of the daemon, one transaction at a time."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._conn = sqlite3.connect(str(path), isolation_level=None, check_same_thread=False)
        self._conn.execute("PRAGMA journal_mode=WAL")
        self._conn.execute("PRAGMA synchronous=NORMAL")
        self._conn.execute("PRAGMA foreign_keys=ON")

    def script(self, sql: str) -> None:
        """Run schema statements."""
        with self._lock:
            self._conn.executescript(sql)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One atomic change; an inner transaction on the same thread joins the outer one."""
        with self._lock:
            if self._depth == 0:
                self._conn.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self._conn
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._conn.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._conn.execute("COMMIT")

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read all rows."""
        with self._lock:
            return self._conn.execute(sql, params).fetchall()

    def close(self) -> None:
        """Close the file; the WAL is folded back into it."""
        with self._lock:
            self._conn.close()
