"""The json-file log, as dockerd writes it: one JSON object a line.

    {"log":"hello\\n","stream":"stdout","time":"2026-01-02T03:04:05.123456789Z"}

A line longer than 16 KiB is cut into records without a newline at their end, all but the last;
readers join them. They bear the time of their first part.
"""

from __future__ import annotations

import json.encoder
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LINE = 16 * 1024
_quote: Callable[[str], str] = json.encoder.encode_basestring


class TimeFormatter:
    """RFC 3339 with nanoseconds, trailing zeros dropped as Go's RFC3339Nano does. Remembers the second."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def format(self, ns: int) -> str:
        """`ns` since the epoch."""
        second, fraction = divmod(ns, 1_000_000_000)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        if not fraction:
            return f"{self._text}Z"
        digits = f"{fraction:09d}".rstrip("0")
        return f"{self._text}.{digits}Z"


class LogWriter:
    """Takes the chunks of both streams, cuts them into lines, appends to the file, rotates it.

    max_size: bytes at which the file is rotated, 0 for never; max_file: how many are kept in all
    (path, path.1, …). A full disk does not stop the container: what cannot be written is lost.
    """

    def __init__(self, path: str, max_size: int, max_file: int, attrs: dict[str, str] | None) -> None:
        self._path, self._max_size, self._max_file = path, max_size, max(max_file, 1)
        self._attrs = f',"attrs":{json.dumps(attrs, separators=(",", ":"))}' if attrs else ""
        self._pending: dict[str, bytes] = {}
        self._since: dict[str, int] = {}  # time of the first part of a line that is being cut
        self._time = TimeFormatter()
        self._fd = self._open(os.O_APPEND)
        self._size = os.fstat(self._fd).st_size

    def _open(self, flags: int) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, 0o640)

    def write(self, stream: str, chunk: bytes) -> None:
        """Log what arrived on `stream`; an unfinished last line waits for its rest."""
        now = time.time_ns()
        held = self._pending.pop(stream, b"")
        lines = (held + chunk).split(b"\n")
        rest = lines.pop()
        records: list[str] = []
        for line in lines:
            self._cut(records, stream, line + b"\n", now)
            self._since.pop(stream, None)
        while len(rest) >= MAX_LINE:
            since = self._since.setdefault(stream, now)
            records.append(self._record(stream, rest[:MAX_LINE], since))
            rest = rest[MAX_LINE:]
        if rest:
            self._pending[stream] = rest
        self._append(records)

    def _cut(self, records: list[str], stream: str, line: bytes, now: int) -> None:
        while len(line) > MAX_LINE + 1:
            records.append(self._record(stream, line[:MAX_LINE], self._since.setdefault(stream, now)))
            line = line[MAX_LINE:]
        records.append(self._record(stream, line, self._since.get(stream, now)))

    def _record(self, stream: str, data: bytes, ns: int) -> str:
        text = _quote(data.decode("utf-8", "replace"))
        return f'{{"log":{text},"stream":"{stream}"{self._attrs},"time":"{self._time.format(ns)}"}}\n'

    def _append(self, records: list[str]) -> None:
        if not records:
            return
        if not self._max_size:
            self._put("".join(records).encode("utf-8", "replace"))
            return
        for record in records:
            if self._size >= self._max_size:
                self._rotate()
            self._put(record.encode("utf-8", "replace"))

    def _put(self, data: bytes) -> None:
        size = self._size
        try:
            view = memoryview(data)
            while view:
                written = os.write(self._fd, view)
                self._size += written
                view = view[written:]
        except OSError:
            # A record is there as a whole or not at all: what follows must begin a line.
            try:
                os.ftruncate(self._fd, size)
                self._size = size
            except OSError:
                return

    def _rotate(self) -> None:
        try:
            if self._max_file > 1:
                for index in range(self._max_file - 1, 1, -1):
                    older = f"{self._path}.{index - 1}"
                    if os.path.exists(older):
                        os.rename(older, f"{self._path}.{index}")
                os.rename(self._path, f"{self._path}.1")
            fresh = self._open(os.O_TRUNC | os.O_APPEND)
        except OSError:
            return  # a full disk: go on in the file that is open, and try again with the next record
        os.close(self._fd)
        self._fd, self._size = fresh, 0

    def finish(self, stream: str) -> None:
        """The stream is over: log its unfinished line, without a newline as it has none."""
        rest = self._pending.pop(stream, b"")
        if rest:
            self._append([self._record(stream, rest, self._since.pop(stream, time.time_ns()))])

    def close(self) -> None:
        """Finish both streams and the file."""
        for stream in tuple(self._pending):
            self.finish(stream)
        os.close(self._fd)
