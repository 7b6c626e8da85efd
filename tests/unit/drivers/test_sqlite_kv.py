"""The SQLite store's file, opened by many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from drivers.kv.sqlite import _open


def test_many_open_a_new_file_at_once(tmp_path: Path) -> None:
    def opened(path: str) -> str:
        conn = _open(path)
        mode = str(conn.execute("PRAGMA journal_mode").fetchone()[0])
        conn.close()
        return mode

    with ThreadPoolExecutor(8) as pool:
        for attempt in range(20):
            assert set(pool.map(opened, [str(tmp_path / f"{attempt}.db")] * 8)) == {"wal"}
