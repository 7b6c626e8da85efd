"""Compressed archives, told apart by their first bytes."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, cast

import zstandard
from isal import igzip

from engine.errdefs import InvalidParameter

_MAGIC_LENGTH = 6


def decompress(source: BinaryIO) -> BinaryIO:
    """`source` as plain bytes, be it gzip, bzip2, xz, zstd or not compressed at all.

    A damaged stream raises InvalidParameter when it is read. Closing the result closes `source`.
    """
    magic = _peek(source)
    whole = cast(BinaryIO, io.BufferedReader(_Prepended(magic, source), 1 << 18))
    for prefix, opener in _OPENERS:
        if magic.startswith(prefix):
            return cast(BinaryIO, io.BufferedReader(_Guarded(opener(whole), whole), 1 << 18))
    return whole


def is_compressed(magic: bytes) -> bool:
    """Whether a file that begins with `magic` (6 bytes) is one of the kinds we unpack."""
    return any(magic.startswith(prefix) for prefix, _ in _OPENERS)


def _zstd(source: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True))


def _gzip(source: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, igzip.IGzipFile(fileobj=source, mode="rb"))


def _xz(source: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, lzma.LZMAFile(source))


def _bzip2(source: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, bz2.BZ2File(source))


_OPENERS: tuple[tuple[bytes, Callable[[BinaryIO], BinaryIO]], ...] = (
    (b"\x1f\x8b", _gzip),
    (b"BZh", _bzip2),
    (b"\xfd7zXZ\x00", _xz),
    (b"\x28\xb5\x2f\xfd", _zstd),
)

_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, igzip.BadGzipFile)


def _peek(source: BinaryIO) -> bytes:
    magic = b""
    while len(magic) < _MAGIC_LENGTH:
        more = source.read(_MAGIC_LENGTH - len(magic))
        if not more:
            break
        magic += more
    return magic


class _Prepended(io.RawIOBase):
    """`first`, then the rest of `source`."""

    def __init__(self, first: bytes, source: BinaryIO) -> None:
        self._first = first
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        target = memoryview(buffer)  # type: ignore[arg-type]
        data = self._first[: len(target)] if self._first else self._source.read(len(target))
        self._first = self._first[len(target) :]
        target[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()


class _Guarded(io.RawIOBase):
    """A decompressor whose complaints become InvalidParameter."""

    def __init__(self, inner: BinaryIO, source: BinaryIO) -> None:
        self._inner = inner
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        target = memoryview(buffer)  # type: ignore[arg-type]
        try:
            data = self._inner.read(len(target))
        except (*_DAMAGE, OSError) as exc:
            raise InvalidParameter(f"the compressed archive is damaged: {exc}") from exc
        target[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
            self._source.close()
        super().close()
