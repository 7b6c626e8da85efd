"""What is written down about volumes, and its tables."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from engine.db import Database

ANONYMOUS = "com.docker.volume.anonymous"

SCHEMA = """
CREATE TABLE IF NOT EXISTS volumes (
    name TEXT PRIMARY KEY, driver TEXT NOT NULL, options TEXT NOT NULL, labels TEXT NOT NULL,
    created TEXT NOT NULL, mountpoint TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS volume_uses (
    name TEXT NOT NULL REFERENCES volumes(name) ON DELETE CASCADE,
    container TEXT NOT NULL, mounts INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (name, container)
);
CREATE INDEX IF NOT EXISTS volume_uses_by_container ON volume_uses(container);
"""


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume. created: RFC 3339."""

    name: str
    driver: str
    options: dict[str, str]
    labels: dict[str, str]
    created: str
    mountpoint: Path

    @property
    def anonymous(self) -> bool:
        """Whether the engine named it."""
        return ANONYMOUS in self.labels

    def to_api(self) -> dict[str, Any]:
        """The API's Volume object."""
        return {
            "CreatedAt": self.created,
            "Driver": self.driver,
            "Labels": self.labels or None,
            "Mountpoint": str(self.mountpoint),
            "Name": self.name,
            "Options": self.options or None,
            "Scope": "local",
        }


def anonymous_name() -> str:
    """A fresh name of 64 hexadecimal digits."""
    return secrets.token_hex(32)


def now() -> str:
    """The time as the API writes it for volumes: RFC 3339 in whole seconds, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Records:
    """The rows. Each method is one transaction, or part of the caller's."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def insert(self, volume: Volume) -> None:
        """Write a new volume down."""
        row = (
            volume.name,
            volume.driver,
            msgspec.json.encode(volume.options).decode(),
            msgspec.json.encode(volume.labels).decode(),
            volume.created,
            str(volume.mountpoint),
        )
        with self._db.transaction() as tx:
            tx.execute("INSERT INTO volumes VALUES (?, ?, ?, ?, ?, ?)", row)

    def find(self, name: str) -> Volume | None:
        """One volume."""
        rows = self._db.query("SELECT * FROM volumes WHERE name = ?", (name,))
        return _volume(rows[0]) if rows else None

    def all(self) -> list[Volume]:
        """Every volume, by name."""
        return [_volume(row) for row in self._db.query("SELECT * FROM volumes ORDER BY name")]

    def delete(self, name: str) -> None:
        """Forget a volume."""
        with self._db.transaction() as tx:
            tx.execute("DELETE FROM volumes WHERE name = ?", (name,))

    def users(self, name: str) -> list[str]:
        """Containers that hold it."""
        sql = "SELECT container FROM volume_uses WHERE name = ? ORDER BY rowid"
        return [row[0] for row in self._db.query(sql, (name,))]

    def usage(self) -> dict[str, int]:
        """Name → number of holders."""
        return dict(self._db.query("SELECT name, count(*) FROM volume_uses GROUP BY name"))

    def hold(self, name: str, container: str) -> None:
        """Add a holder."""
        with self._db.transaction() as tx:
            tx.execute("INSERT OR IGNORE INTO volume_uses (name, container) VALUES (?, ?)", (name, container))

    def release(self, container: str) -> list[str]:
        """Drop a holder everywhere; returns what it held."""
        with self._db.transaction() as tx:
            sql = "DELETE FROM volume_uses WHERE container = ? RETURNING name"
            return [row[0] for row in tx.execute(sql, (container,)).fetchall()]

    def count_mount(self, name: str, container: str, step: int) -> bool:
        """Count a mount up or down; False if there was none to take away."""
        with self._db.transaction() as tx:
            if step > 0:
                tx.execute(
                    "INSERT INTO volume_uses VALUES (?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET mounts = mounts + excluded.mounts",
                    (name, container, step),
                )
                return True
            sql = "UPDATE volume_uses SET mounts = mounts - 1 WHERE name = ? AND container = ? AND mounts > 0"
            return tx.execute(sql, (name, container)).rowcount > 0

    def mounts(self, name: str, container: str) -> int:
        """How many mounts of it the container has."""
        sql = "SELECT mounts FROM volume_uses WHERE name = ? AND container = ?"
        rows = self._db.query(sql, (name, container))
        return int(rows[0][0]) if rows else 0

    def mounted(self) -> list[tuple[str, str]]:
        """All (volume, container) with mounts."""
        rows = self._db.query("SELECT name, container FROM volume_uses WHERE mounts > 0")
        return [(row[0], row[1]) for row in rows]

    def keep_only(self, containers: Iterable[str]) -> None:
        """Drop the holders that are not among `containers`."""
        known = set(containers)
        with self._db.transaction() as tx:
            for (container,) in tx.execute("SELECT DISTINCT container FROM volume_uses").fetchall():
                if container not in known:
                    tx.execute("DELETE FROM volume_uses WHERE container = ?", (container,))


def _volume(row: tuple[Any, ...]) -> Volume:
    name, driver, options, labels, created, mountpoint = row
    decode = msgspec.json.Decoder(dict[str, str]).decode
    return Volume(name, driver, decode(options), decode(labels), created, Path(mountpoint))
