"""Logs as one JSON object a line in `<container directory>/<id>-json.log`, docker's own format::

    {"log":"hello\\n","stream":"stdout","time":"2026-01-02T03:04:05.123456789Z"}

The monitor writes and rotates (`…-json.log.1` is younger than `.2`); this reads back. A tail is found
from the end of the files, so that its cost does not depend on their length. A follower looks at the
file's size ten times a second, and only while it follows.
"""

from __future__ import annotations

import asyncio
import os
import re
from calendar import timegm
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from engine.driverapi.execution import IOConfig
from engine.driverapi.log import LogLine, ReadOptions
from engine.errdefs import InvalidParameter

CHUNK = 256 * 1024
POLL = 0.1
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?", re.IGNORECASE)
_OPTIONS = frozenset(
    (
        "max-size",
        "max-file",
        "compress",
        "labels",
        "labels-regex",
        "env",
        "env-regex",
        "tag",
        "mode",
        "max-buffer-size",
    )
)


class _Record(msgspec.Struct):
    time: str
    log: str = ""
    stream: str = ""
    attrs: dict[str, str] | None = None


_decode = msgspec.json.Decoder(_Record).decode


class JsonFileDriver:
    """See engine.driverapi.log.LogDriver and LogReader."""

    name = "json-file"

    def validate(self, options: Mapping[str, str]) -> None:
        """Known names, a size and a count that can be read."""
        for key in options:
            if key not in _OPTIONS:
                raise InvalidParameter(f"unknown log opt '{key}' for json-file log driver")
        _limits(options)

    def io(self, base: IOConfig, directory: Path, container_id: str, options: Mapping[str, str]) -> IOConfig:
        """The log's path and its limits."""
        size, files = _limits(options)
        path = self.path(directory, container_id)
        return replace(base, log_path=path, log_max_size=size, log_max_file=files)

    def path(self, directory: Path, container_id: str) -> Path:
        """`<directory>/<id>-json.log`."""
        return directory / f"{container_id}-json.log"

    async def read(
        self, directory: Path, container_id: str, options: ReadOptions
    ) -> AsyncGenerator[list[LogLine], None]:
        """Batches of lines; a damaged line is skipped."""
        path = self.path(directory, container_id)
        window = _Window(options)
        cursor = await asyncio.to_thread(_open, path, options.tail)
        try:
            while not window.over:
                # What is asked before the last read has begun can't miss what it does not find.
                ended = options.ended is not None and options.ended.is_set()
                lines = await asyncio.to_thread(cursor.read)
                if batch := window.cut(lines):
                    yield batch
                elif lines is None:
                    if not options.follow or ended:
                        return
                    await _pause(options.ended)
        finally:
            cursor.close()


async def _pause(ended: asyncio.Event | None) -> None:
    """Until it is worth looking again."""
    if ended is None:
        await asyncio.sleep(POLL)
        return
    try:
        async with asyncio.timeout(POLL):
            await ended.wait()
    except TimeoutError:
        pass


class _Window:
    """Keeps what lies between `since` and `until`."""

    def __init__(self, options: ReadOptions) -> None:
        self._since, self._until = options.since, options.until
        self.over = False

    def cut(self, lines: list[LogLine] | None) -> list[LogLine]:
        if not lines or not (self._since or self._until):
            return lines or []
        kept = [line for line in lines if line.time >= self._since]
        if self._until and kept and kept[-1].time > self._until:
            kept = [line for line in kept if line.time <= self._until]
            self.over = True
        return kept


class _Cursor:
    """A place in a sequence of files, the oldest first; the last one still grows, and may be rotated."""

    def __init__(self, path: Path, files: list[Path], offset: int) -> None:
        self._path = path
        self._rotated = files
        self._offset = offset
        self._fd = -1
        self._rest = b""
        self._times = _Times()

    def read(self) -> list[LogLine] | None:
        """The next lines (perhaps none of them whole yet, an empty list), None at the end for now."""
        if self._fd < 0 and not self._next():
            return None
        data = os.read(self._fd, CHUNK)
        while not data:
            if not self._advance():
                return None
            data = os.read(self._fd, CHUNK)
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        return list(self._parse(lines))

    def _next(self) -> bool:
        """Open the next file; the growing one need not be there yet."""
        path = self._rotated.pop(0) if self._rotated else self._path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return self._next() if path != self._path else False
        os.lseek(self._fd, self._offset, os.SEEK_SET)
        self._offset = 0
        self._rest = b""
        return True

    def _advance(self) -> bool:
        """At the end of a file: whether there is more to read, elsewhere or at its new beginning."""
        here = os.fstat(self._fd)
        if not self._rotated:
            try:
                newest = self._path.stat()
            except FileNotFoundError:
                return False
            if (newest.st_dev, newest.st_ino) == (here.st_dev, here.st_ino):
                if os.lseek(self._fd, 0, os.SEEK_CUR) <= here.st_size:
                    return False
                os.lseek(self._fd, 0, os.SEEK_SET)  # cut short and begun anew
                self._rest = b""
                return True
        self.close()
        return self._next()

    def _parse(self, lines: list[bytes]) -> Iterator[LogLine]:
        for line in lines:
            try:
                record = _decode(line)
                time = self._times.parse(record.time)
            except (msgspec.MsgspecError, ValueError):
                continue
            data = record.log.encode("utf-8", "surrogatepass")
            yield LogLine(record.stream, time, data, record.attrs)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class _Times:
    """RFC 3339 as the monitor writes it → ns; remembers the last second."""

    def __init__(self) -> None:
        self._text, self._seconds = "", 0

    def parse(self, text: str) -> int:
        """ValueError if malformed."""
        whole = text[:19]
        if whole != self._text:
            date, clock = whole[:10].split("-"), whole[11:].split(":")
            year, month, day = (int(part) for part in date)
            hour, minute, second = (int(part) for part in clock)
            self._seconds = timegm((year, month, day, hour, minute, second))
            self._text = whole
        fraction = text[20:-1] if text[19:20] == "." else ""
        return self._seconds * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))


def _open(path: Path, tail: int) -> _Cursor:
    """A cursor at the beginning, or so far from the end that `tail` lines follow."""
    files = _files(path)
    if tail < 0:
        return _Cursor(path, files[:-1], 0)
    wanted = tail
    for index in range(len(files) - 1, -1, -1):
        offset, found = _seek_lines(files[index], wanted)
        if found >= wanted:
            return _Cursor(path, files[index:-1], offset)
        wanted -= found
    return _Cursor(path, files[:-1], 0)


def _files(path: Path) -> list[Path]:
    """The log and its rotated predecessors, the oldest first; compressed ones are left out."""
    numbered = []
    for entry in path.parent.glob(f"{path.name}.*") if path.parent.is_dir() else ():
        number = entry.name.removeprefix(f"{path.name}.")
        if number.isdigit():
            numbered.append((int(number), entry))
    return [entry for _, entry in sorted(numbered, reverse=True)] + [path]


def _seek_lines(path: Path, wanted: int) -> tuple[int, int]:
    """Where the last `wanted` whole lines begin, and how many there are (at most `wanted`)."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0, 0
    try:
        position, found = os.fstat(fd).st_size, -1
        end = position
        while position > 0:
            size = min(64 * 1024, position)
            position -= size
            block = os.pread(fd, size, position)
            at = len(block)
            while (at := block.rfind(b"\n", 0, at)) >= 0:
                found += 1  # the first newline met ends the last line
                if found == wanted:
                    return position + at + 1, wanted
        return (0, found + 1) if end else (0, 0)
    finally:
        os.close(fd)


def _limits(options: Mapping[str, str]) -> tuple[int, int]:
    """(bytes at which to rotate, 0 for never; number of files)."""
    text, files = options.get("max-size", ""), options.get("max-file", "1")
    size = 0
    if text and text != "-1":
        match = _SIZE.fullmatch(text.strip())
        if match is None:
            raise InvalidParameter(f"invalid size: '{text}'")
        size = int(float(match[1]) * 1024 ** " kmgtp".index(match[2].lower() or " "))
    if not files.isdigit() or int(files) < 1:
        raise InvalidParameter("max-file cannot be less than 1")
    if int(files) > 1 and not size:
        raise InvalidParameter("max-file needs max-size to be set as well")
    return size, int(files)
