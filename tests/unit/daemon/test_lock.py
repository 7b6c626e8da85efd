"""One daemon a data-root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.daemon.lock import Lock
from engine.errdefs import Conflict


def test_a_second_owner_is_refused_and_told_who_is_first(tmp_path: Path) -> None:
    first = Lock(tmp_path / "pid", "data-root /x")
    with pytest.raises(
        Conflict, match=f"data-root /x is used by another daemon, process with PID {os.getpid()}"
    ):
        Lock(tmp_path / "pid", "data-root /x")
    first.close()
    assert not (tmp_path / "pid").exists()
    Lock(tmp_path / "pid", "data-root /x").close()


def test_a_file_that_a_killed_daemon_left_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("1\n1\n1\n")
    lock = Lock(tmp_path / "pid", "data-root /x")
    assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"
    lock.close()
