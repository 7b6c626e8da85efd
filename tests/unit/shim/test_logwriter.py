"""The json-file log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.shim.logwriter import MAX_LINE, LogWriter, TimeFormatter


def records(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_700_000_000_123_456_789, "2023-11-14T22:13:20.123456789Z"),
        (1_700_000_000_120_000_000, "2023-11-14T22:13:20.12Z"),
    ],
)
def test_times_are_gos(ns: int, text: str) -> None:
    assert TimeFormatter().format(ns) == text


LINE = st.integers(0, 3).flatmap(lambda n: st.just(b"x" * (n * 9000)) | st.binary(max_size=30))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=st.lists(LINE | st.just(b"\n"), max_size=12))
def test_every_byte_is_logged_once_whatever_the_chunks(tmp_path: Path, chunks: list[bytes]) -> None:
    path = tmp_path / "log"
    path.unlink(missing_ok=True)
    data = b"".join(chunks).decode("latin-1").encode("ascii", "replace")  # one byte a character
    writer = LogWriter(str(path), 0, 1, None)
    start = 0
    for chunk in chunks:
        writer.write("stdout", data[start : start + len(chunk)])
        start += len(chunk)
    writer.close()
    lines = [record["log"] for record in records(path)]
    assert "".join(lines).encode() == data
    assert all(len(line) <= MAX_LINE + 1 for line in lines)
    assert all(line.endswith("\n") or len(line) == MAX_LINE for line in lines[:-1])
    assert all("\n" not in line[:-1] for line in lines)


def test_streams_do_not_mix(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path / "log"), 0, 1, None)
    writer.write("stdout", b"one ")
    writer.write("stderr", b"err\n")
    writer.write("stdout", b"line\n")
    writer.close()
    assert [(r["stream"], r["log"]) for r in records(tmp_path / "log")] == [
        ("stderr", "err\n"),
        ("stdout", "one line\n"),
    ]


def test_parts_of_a_line_bear_the_time_of_the_first(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path / "log"), 0, 1, None)
    writer.write("stdout", b"x" * 20000)
    writer.write("stdout", b"y" * 20000 + b"\nnext\n")
    writer.close()
    times = [record["time"] for record in records(tmp_path / "log")]
    assert len(times) == 4
    assert len(set(times[:3])) == 1 and times[3] != times[0]


def test_an_existing_log_is_continued_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for number in range(3):
        writer = LogWriter(str(path), 150, 2, None)
        writer.write("stdout", f"line {number}\n".encode())
        writer.close()
    assert [r["log"] for r in records(path)] == ["line 2\n"]
    assert [r["log"] for r in records(tmp_path / "log.1")] == ["line 0\n", "line 1\n"]
