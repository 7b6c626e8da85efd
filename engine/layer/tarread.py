"""A strict streaming reader of tar archives: ustar, PAX and GNU long names.

Python's own tarfile takes a damaged header in the middle of an archive for its end, so a cut or
corrupt layer would be accepted in silence. This reader raises InvalidParameter instead. It never
seeks, and keeps nothing of what it has passed.

Sources: POSIX.1-2017 pax "Extended Header", GNU tar manual "Basic Tar Format", OCI layer.md.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from engine.errdefs import InvalidParameter, Unsupported

BLOCK = 512
CHUNK = 1 << 20
_ZERO = bytes(BLOCK)
_MAX_ID = (1 << 32) - 1  # (uid_t)-1 means "leave it" to chown(2)
_MAX_TIME = 1 << 62  # ns; a time beyond it is not representable in a timespec of every file system
_MAX_META = 1 << 20  # one pax header or long name; a larger one is an attack, not a path

XATTR_PREFIX = "SCHILY.xattr."


@dataclass(slots=True)
class Entry:
    """One member. type: the typeflag as tar writes it ("0" file, "1" hard link, "2" symlink, ...).

    mtime is in nanoseconds since the epoch; names are as the archive spells them, undecodable bytes
    as surrogates.
    """

    name: str
    type: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    linkname: str = ""
    devmajor: int = 0
    devminor: int = 0
    xattrs: dict[str, bytes] = field(default_factory=dict)


class StructureTap(io.RawIOBase):
    """A stream that wants to be told how its bytes divide into structure and content.

    A TarReader that reads from one calls `on_raw` with every byte that is not file content, in order
    (headers, padding and the trailer), and `on_data` for each content between them: enough to put
    the very same archive together again from an unpacked tree.
    """

    def on_raw(self, data: bytes) -> None:
        """Structure, verbatim."""

    def on_data(self, entry: Entry) -> None:
        """`entry.size` bytes of content follow."""


class TarReader:
    """Iterate over the entries; read each one's content with `read` before taking the next."""

    def __init__(self, stream: BinaryIO, *, unfinished: bool = False) -> None:
        """unfinished: accept an archive that ends right behind a file's content, without its padding."""
        self._stream = stream
        self._unfinished = unfinished
        self._on_raw: Callable[[bytes], None] | None = None
        self._on_data: Callable[[Entry], None] | None = None
        if isinstance(stream, StructureTap):
            self._on_raw, self._on_data = stream.on_raw, stream.on_data
        self._left = 0
        self._pad = 0
        self._globals: dict[str, bytes] = {}

    def __iter__(self) -> Iterator[Entry]:
        while (entry := self._next()) is not None:
            yield entry
        self._drain()

    def read(self) -> bytes:
        """The next piece of the current entry's content, b"" at its end."""
        if not self._left:
            return b""
        data = self._stream.read(min(CHUNK, self._left))
        if not data:
            raise InvalidParameter("unexpected EOF in the archive: a file's content is cut short")
        self._left -= len(data)
        return data

    def _take(self, count: int) -> bytes:
        data = self._stream.read(count)
        while len(data) < count:
            more = self._stream.read(count - len(data))
            if not more:
                break
            data += more
        if self._on_raw and data:
            self._on_raw(data)
        return data

    def _skip(self) -> None:
        while self.read():
            pass
        if self._pad:
            found = len(self._take(self._pad))
            if found != self._pad and (found or not self._unfinished):
                raise InvalidParameter("unexpected EOF in the archive: padding is missing")
            self._pad = 0

    def _drain(self) -> None:
        while data := self._stream.read(CHUNK):
            if self._on_raw:
                self._on_raw(data)

    def _header(self) -> bytes | None:
        block = self._take(BLOCK)
        if not block:
            return None
        if len(block) != BLOCK:
            raise InvalidParameter("unexpected EOF in the archive: a header is cut short")
        if block == _ZERO:
            return None
        stored = _number(block[148:156])
        unsigned = sum(block[:148]) + 256 + sum(block[156:])
        if stored != unsigned and stored != _signed_sum(block):
            raise InvalidParameter("invalid tar header: checksum does not match (is it a tar archive?)")
        return block

    def _meta(self, size: int) -> bytes:
        if size > _MAX_META:
            raise InvalidParameter(f"invalid tar header: extended header of {size} bytes")
        padded = -(-size // BLOCK) * BLOCK
        data = self._take(padded)
        if len(data) != padded:
            raise InvalidParameter("unexpected EOF in the archive: an extended header is cut short")
        return data[:size]

    def _next(self) -> Entry | None:
        self._skip()
        pax = dict(self._globals)
        long_name: str | None = None
        long_link: str | None = None
        while True:
            block = self._header()
            if block is None:
                return None
            kind = chr(block[156]) if block[156] else "0"
            if kind == "x":
                pax.update(_parse_pax(self._meta(_number(block[124:136]))))
            elif kind == "g":
                self._globals.update(_parse_pax(self._meta(_number(block[124:136]))))
                pax = {**self._globals, **pax}
            elif kind == "L":
                long_name = _text(self._meta(_number(block[124:136])))
            elif kind == "K":
                long_link = _text(self._meta(_number(block[124:136])))
            else:
                break
        entry = _plain_entry(block, kind)
        if long_name is not None:
            entry.name = long_name
        if long_link is not None:
            entry.linkname = long_link
        if pax:
            _apply_pax(entry, pax)
        if kind == "S":
            raise Unsupported("the archive holds a GNU sparse file; pack it without --sparse")
        _check_ranges(entry)
        if kind in "123456":  # some writers give a hard link the size of its target, and no content
            entry.size = 0
        self._left = entry.size
        self._pad = -entry.size % BLOCK
        if self._on_data and entry.size:
            self._on_data(entry)
        return entry


def _plain_entry(block: bytes, kind: str) -> Entry:
    name = _text(block[0:100])
    if block[257:263] == b"ustar\0" and block[345]:
        name = f"{_text(block[345:500])}/{name}"
    if kind == "0" and name.endswith("/"):
        kind = "5"  # before POSIX a directory was a file whose name ends in a slash
    return Entry(
        name=name,
        type=kind,
        mode=_number(block[100:108]),
        uid=_number(block[108:116]),
        gid=_number(block[116:124]),
        size=_number(block[124:136]),
        mtime=_number(block[136:148]) * 1_000_000_000,
        linkname=_text(block[157:257]),
        devmajor=_number(block[329:337]) if kind in "34" else 0,
        devminor=_number(block[337:345]) if kind in "34" else 0,
    )


def _check_ranges(entry: Entry) -> None:
    if not 0 <= entry.size < 1 << 62:
        raise InvalidParameter(f"invalid tar header: size {entry.size} of {entry.name!r}")
    if not (0 <= entry.uid < _MAX_ID and 0 <= entry.gid < _MAX_ID):
        raise InvalidParameter(f"invalid tar header: owner {entry.uid}:{entry.gid} of {entry.name!r}")
    if not (0 <= entry.devmajor < 1 << 12 and 0 <= entry.devminor < 1 << 20):
        raise InvalidParameter(f"invalid tar header: device number of {entry.name!r}")
    entry.mode &= 0o7777
    entry.mtime = max(-_MAX_TIME, min(_MAX_TIME, entry.mtime))


def _apply_pax(entry: Entry, pax: dict[str, bytes]) -> None:
    for key, value in pax.items():
        if key == "path":
            entry.name = os.fsdecode(value)
        elif key == "linkpath":
            entry.linkname = os.fsdecode(value)
        elif key == "size":
            entry.size = _decimal(key, value)
        elif key == "uid":
            entry.uid = _decimal(key, value)
        elif key == "gid":
            entry.gid = _decimal(key, value)
        elif key == "mtime":
            entry.mtime = _nanoseconds(value)
        elif key.startswith(XATTR_PREFIX):
            entry.xattrs[key[len(XATTR_PREFIX) :]] = value
        elif key.startswith("GNU.sparse."):
            raise Unsupported("the archive holds a GNU sparse file; pack it without --sparse")


def _parse_pax(data: bytes) -> dict[str, bytes]:
    """Records of ``LENGTH KEY=VALUE\\n``; the length counts itself."""
    found: dict[str, bytes] = {}
    at = 0
    while at < len(data) and data[at]:
        space = data.find(b" ", at, at + 20)
        digits = data[at:space] if space > at else b""
        if not digits.isdigit():
            raise InvalidParameter("invalid tar header: malformed pax record")
        end = at + int(digits)
        equals = data.find(b"=", space, end)
        if end > len(data) or equals < 0 or data[end - 1 : end] != b"\n":
            raise InvalidParameter("invalid tar header: malformed pax record")
        key = data[space + 1 : equals].decode("utf-8", "surrogateescape")
        value = data[equals + 1 : end - 1]
        if key in ("path", "linkpath") and b"\0" in value:
            raise InvalidParameter("invalid tar header: a NUL byte in a name")
        found[key] = value
        at = end
    return found


def _text(raw: bytes) -> str:
    end = raw.find(b"\0")
    return os.fsdecode(raw if end < 0 else raw[:end])


def _number(raw: bytes) -> int:
    if raw[0] & 0x80:  # GNU base-256, two's complement
        value = int.from_bytes(raw, "big") & ((1 << (8 * len(raw) - 1)) - 1)
        return value - (1 << (8 * len(raw) - 1)) if raw[0] & 0x40 else value
    text = raw.partition(b"\0")[0].strip(b" ")
    if not text:
        return 0
    try:
        return int(text, 8)
    except ValueError as exc:
        raise InvalidParameter("invalid tar header: malformed number") from exc


def _decimal(key: str, value: bytes) -> int:
    if not value.isdigit() or len(value) > 20:
        raise InvalidParameter(f"invalid tar header: malformed {key}")
    return int(value)


def _nanoseconds(value: bytes) -> int:
    whole, _, fraction = value.partition(b".")
    digits = whole.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > 18 or (fraction and not fraction.isdigit()):
        raise InvalidParameter("invalid tar header: malformed mtime")
    nanos = int(fraction[:9].ljust(9, b"0")) if fraction else 0
    total = int(digits) * 1_000_000_000 + nanos
    return -total if whole.startswith(b"-") else total


def _signed_sum(block: bytes) -> int:
    return sum(b - 256 if b > 127 else b for b in block[:148] + block[156:]) + 256
