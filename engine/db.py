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

from engine.errdefs import SystemFailure


class Database:
    """A connection shared by all threads of the daemon, one transaction at a time."""

    def __init__(self, path: Path | str) -> None:
        self._path = path
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
        """One atomic change; an inner transaction on the same thread joins the outer one.

        Raises SystemFailure if the file can't be written; then nothing of it happened.
        """
        with self._lock:
            self._depth += 1
            try:
                if self._depth == 1:
                    self._conn.execute("BEGIN IMMEDIATE")
                yield self._conn
                if self._depth == 1:
                    self._conn.execute("COMMIT")
            except BaseException as exc:
                # SQLite may have rolled back by itself (https://www.sqlite.org/lang_transaction.html, 3.1).
                if self._depth == 1 and self._conn.in_transaction:
                    self._conn.execute("ROLLBACK")
                if isinstance(exc, sqlite3.OperationalError):
                    raise SystemFailure(self._unwritable(exc)) from exc
                raise
            finally:
                self._depth -= 1

    def _unwritable(self, exc: sqlite3.OperationalError) -> str:
        full = exc.sqlite_errorcode == sqlite3.SQLITE_FULL
        reason = "no space left on device; free some on its file system" if full else str(exc)
        return f"can't write {self._path}: {reason}"

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read all rows."""
        with self._lock:
            return self._conn.execute(sql, params).fetchall()

    def close(self) -> None:
        """Close the file; the WAL is folded back into it."""
        with self._lock:
            self._conn.close()
