"""An archive's structure kept beside its unpacked files, so that the very same bytes come back.

A layer's id is the digest of its archive; pushing or saving it needs exactly that archive again, and
no two tar writers agree on one. So while a layer is unpacked, everything that is not file content
is recorded, zstd-compressed, and the contents are read from the tree later:

    R <u32 length> <bytes>                      structure, verbatim
    D <u32 length> <name> <u64 size>            content of file `name`

An archive that names one file twice has lost the first content in the tree; it is not kept.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from engine.errdefs import DockyardError, SystemFailure
from engine.layer.confine import normalise, open_in_root
from engine.layer.tarread import CHUNK, Entry, StructureTap


class Recorder(StructureTap):
    """Wraps an archive while somebody unpacks it, and writes its structure to `path`.

    Whoever reads it without telling what is structure (a driver with a tar reader of its own) leaves
    the record incomplete, and `complete` says so.
    """

    def __init__(self, tar: BinaryIO, path: Path) -> None:
        self._tar = tar
        self._file = path.open("wb")
        self._out = zstandard.ZstdCompressor(level=1).stream_writer(self._file, closefd=False)
        self._raw = bytearray()
        self._seen: set[str] = set()
        self._exact = True
        self._read_bytes = 0
        self._told_bytes = 0

    @property
    def complete(self) -> bool:
        """Whether the record gives the whole archive back."""
        return self._exact and self._read_bytes == self._told_bytes

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """As the archive's read."""
        data = self._tar.read(size)
        self._read_bytes += len(data)
        return data

    def close(self) -> None:
        """Finish the record; the archive stays open."""
        if not self.closed:
            self._flush()
            self._out.close()  # type: ignore[no-untyped-call]
            self._file.close()
        super().close()

    def drain(self) -> None:
        """Take what follows the archive's end, which belongs to the digest too."""
        while data := self.read(CHUNK):
            self.on_raw(data)

    def on_raw(self, data: bytes) -> None:
        """Record structure."""
        self._told_bytes += len(data)
        self._raw += data
        if len(self._raw) > CHUNK:
            self._flush()

    def _flush(self) -> None:
        if self._raw:
            self._out.write(b"R" + struct.pack(">I", len(self._raw)))
            self._out.write(bytes(self._raw))
            self._raw.clear()

    def on_data(self, entry: Entry) -> None:
        """Record where content goes."""
        self._flush()
        self._told_bytes += entry.size
        try:
            name = normalise(entry.name)
        except DockyardError:
            self._exact = False  # whoever unpacks refuses it
            return
        if name in self._seen or entry.type not in "07":
            self._exact = False
        self._seen.add(name)
        raw = os.fsencode(name)
        self._out.write(b"D" + struct.pack(">I", len(raw)) + raw + struct.pack(">Q", entry.size))


def assemble(split: Path, tree: Path) -> Iterator[bytes]:
    """The archive again. SystemFailure if a file of `tree` is missing or has another size."""
    root_fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with split.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as source:
            while tag := source.read(1):
                (length,) = struct.unpack(">I", _exactly(source, 4))
                data = _exactly(source, length)
                if tag == b"R":
                    yield data
                else:
                    (size,) = struct.unpack(">Q", _exactly(source, 8))
                    yield from _content(root_fd, os.fsdecode(data), size)
    finally:
        os.close(root_fd)


def _exactly(source: zstandard.ZstdDecompressionReader, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = source.read(count - len(data))
        if not more:
            raise SystemFailure("a layer's record of its archive is cut short")
        data += more
    return data


def _content(root_fd: int, name: str, size: int) -> Iterator[bytes]:
    try:
        fd = open_in_root(root_fd, name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as exc:
        raise SystemFailure(f"a layer's file {name!r} can't be read: {exc.strerror}") from exc
    try:
        left = size
        while left:
            data = os.read(fd, min(CHUNK, left))
            if not data:
                raise SystemFailure(f"a layer's file {name!r} is not what it was: {left} bytes are missing")
            left -= len(data)
            yield data
    finally:
        os.close(fd)
