"""The metadata file: transactions nest, fail whole, and say why."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.db import Database
from engine.errdefs import SystemFailure


@pytest.fixture
def db(tmp_path: Path) -> Database:
    db = Database(tmp_path / "engine.db")
    db.script("CREATE TABLE notes (text TEXT)")
    return db


def fill(db: Database) -> None:
    """Let the file have no page more, as on a full disk."""
    ((pages,),) = db.query("PRAGMA page_count")
    db.query(f"PRAGMA max_page_count={pages}")


def test_an_inner_transaction_falls_with_the_outer_one(db: Database) -> None:
    with pytest.raises(KeyError), db.transaction():
        with db.transaction() as tx:
            tx.execute("INSERT INTO notes VALUES ('inner')")
        raise KeyError
    assert db.query("SELECT * FROM notes") == []


def test_a_full_disk_is_told_with_the_file_and_what_to_do(db: Database, tmp_path: Path) -> None:
    fill(db)
    with pytest.raises(SystemFailure) as caught, db.transaction() as tx:
        tx.execute("INSERT INTO notes VALUES (?)", ("x" * 10**6,))
    assert str(tmp_path / "engine.db") in str(caught.value)
    assert "no space left on device" in str(caught.value)


def test_the_database_goes_on_after_a_full_disk(db: Database) -> None:
    fill(db)
    with pytest.raises(SystemFailure), db.transaction(), db.transaction() as tx:
        tx.execute("INSERT INTO notes VALUES (?)", ("x" * 10**6,))
    with db.transaction() as tx:
        tx.execute("INSERT INTO notes VALUES ('short')")
    assert db.query("SELECT * FROM notes") == [("short",)]
