"""Packing a directory tree as a tar stream, always the same bytes for the same tree.

Entries are sorted, times are whole seconds, owners are numbers only; hard links point at the first
name in order; user and capability xattrs travel as SCHILY.xattr pax records. The tree is walked through
directory descriptors and links are never followed, so that a running container can't lure the
walk out of its root.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from engine.layer.tarread import BLOCK, CHUNK, XATTR_PREFIX
from engine.layer.unpack import OPAQUE, OPAQUE_XATTR, WHITEOUT

_DIR_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
TRAILER = bytes(2 * BLOCK)


@dataclass(frozen=True, slots=True)
class PackOptions:
    """How to pack.

    overlay: the tree is an overlay's upper directory: translate its whiteouts to `.wh.` entries.
    prefix: put before every name with a slash ("" for none, "/" for absolute names); the root
        itself gets an entry only if `root_entry`.
    only: pack just these paths (relative, normalised), plus nothing else; None for all.
    """

    overlay: bool = False
    prefix: str = ""
    root_entry: bool = False
    only: frozenset[str] | None = None


def pack(root: Path, options: PackOptions | None = None) -> BinaryIO:
    """`root` as a tar stream. An error of the disk surfaces as OSError from `read`."""
    return stream(pack_entries(root, options or PackOptions()))


def stream(chunks: Iterable[bytes]) -> BinaryIO:
    """A readable file over an iterator of bytes; closing it closes the iterator."""
    return io.BufferedReader(_ChunkReader(iter(chunks)), CHUNK)


def pack_entries(root: Path, options: PackOptions, *, trailer: bool = True) -> Iterator[bytes]:
    """The same as an iterator; without `trailer` further entries may follow."""
    state = _State(options)
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if options.root_entry:
            name = f"{options.prefix.rstrip('/')}/" if options.prefix else "./"
            yield header(name, os.fstat(fd), "5", xattrs=_xattrs(fd))
        yield from _walk(fd, "", state)
    finally:
        os.close(fd)
    if trailer:
        yield TRAILER


@dataclass(slots=True)
class _State:
    options: PackOptions
    links: dict[tuple[int, int], str] = field(default_factory=dict)

    def name(self, path: str) -> str:
        return f"{self.options.prefix.rstrip('/')}/{path}" if self.options.prefix else path

    def wants(self, path: str) -> bool:
        return self.options.only is None or path in self.options.only


def _walk(dir_fd: int, parent: str, state: _State) -> Iterator[bytes]:
    if state.options.overlay and _opaque(dir_fd):
        yield header(state.name(f"{parent}/{OPAQUE}" if parent else OPAQUE), None, "0")
    for name in sorted(os.listdir(dir_fd)):
        path = f"{parent}/{name}" if parent else name
        try:
            status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        except FileNotFoundError:
            continue  # a live tree: gone since it was listed
        if not stat.S_ISDIR(status.st_mode):
            if state.wants(path):
                yield from _leaf(dir_fd, name, parent, path, status, state)
            continue
        try:
            fd = os.open(name, _DIR_FLAGS, dir_fd=dir_fd)
        except (FileNotFoundError, NotADirectoryError):
            continue
        try:
            if state.wants(path):
                yield header(state.name(path) + "/", os.fstat(fd), "5", xattrs=_xattrs(fd))
            yield from _walk(fd, path, state)
        finally:
            os.close(fd)


def _leaf(
    dir_fd: int, name: str, parent: str, path: str, status: os.stat_result, state: _State
) -> Iterator[bytes]:
    mode = status.st_mode
    if state.options.overlay and stat.S_ISCHR(mode) and status.st_rdev == 0:
        hidden = f"{parent}/{WHITEOUT}{name}" if parent else f"{WHITEOUT}{name}"
        yield header(state.name(hidden), None, "0")
        return
    if stat.S_ISSOCK(mode):
        return  # tar has no such thing, and a socket without its server is of no use
    target = state.name(path)
    if status.st_nlink > 1:
        first = state.links.setdefault((status.st_dev, status.st_ino), target)
        if first != target:
            yield header(target, status, "1", linkname=first)
            return
    if stat.S_ISLNK(mode):
        yield header(target, status, "2", linkname=os.readlink(name, dir_fd=dir_fd))
    elif stat.S_ISREG(mode):
        yield from _file(dir_fd, name, target)
    else:
        kind = "3" if stat.S_ISCHR(mode) else "4" if stat.S_ISBLK(mode) else "6"
        yield header(target, status, kind)


def _file(dir_fd: int, name: str, target: str) -> Iterator[bytes]:
    try:
        fd = os.open(name, _FILE_FLAGS, dir_fd=dir_fd)
    except FileNotFoundError:
        return
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return
        left = status.st_size
        yield header(target, status, "0", size=left, xattrs=_xattrs(fd))
        while left:
            data = os.read(fd, min(CHUNK, left))
            if not data:  # it shrank while it was read; the header has promised this much
                data = bytes(min(CHUNK, left))
            left -= len(data)
            yield data
        if status.st_size % BLOCK:
            yield bytes(-status.st_size % BLOCK)
    finally:
        os.close(fd)


def _opaque(fd: int) -> bool:
    try:
        return os.getxattr(fd, OPAQUE_XATTR) == b"y"
    except OSError:
        return False


def _xattrs(fd: int) -> dict[str, bytes]:
    try:
        names = os.listxattr(fd)
    except OSError:
        return {}
    wanted = sorted(n for n in names if n.startswith("user.") or n == "security.capability")
    return {name: os.getxattr(fd, name) for name in wanted}


def header(
    name: str,
    status: os.stat_result | None,
    kind: str,
    *,
    size: int = 0,
    linkname: str = "",
    xattrs: dict[str, bytes] | None = None,
) -> bytes:
    """The blocks before an entry's content. `status` None: an empty file of root's, mode 0600, time 0."""
    mode, uid, gid, mtime, major, minor = 0o600, 0, 0, 0, 0, 0
    if status is not None:
        mode, uid, gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
        mtime = int(status.st_mtime)
        if kind in "34":
            major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
    return raw_header(
        name, kind, mode=mode, uid=uid, gid=gid, size=size, mtime=mtime,
        linkname=linkname, device=(major, minor), xattrs=xattrs,
    )  # fmt: skip


def raw_header(
    name: str,
    kind: str,
    *,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    size: int = 0,
    mtime: int = 0,
    linkname: str = "",
    device: tuple[int, int] = (0, 0),
    xattrs: dict[str, bytes] | None = None,
) -> bytes:
    """A ustar header, preceded by a pax one for what does not fit. mtime: whole seconds."""
    path, link = os.fsencode(name), os.fsencode(linkname)
    pax: dict[str, bytes] = {}
    prefix, short = _split(path)
    if short is None or not path.isascii():
        pax["path"] = path
        prefix, short = b"", path.decode("ascii", "replace").encode("ascii", "replace")[:100]
    if len(link) > 100 or not link.isascii():
        pax["linkpath"] = link
        link = link.decode("ascii", "replace").encode("ascii", "replace")[:100]
    for key, value, limit in (
        ("uid", uid, 0o7777777),
        ("gid", gid, 0o7777777),
        ("size", size, 0o77777777777),
    ):
        if value > limit:
            pax[key] = b"%d" % value
    if not 0 <= mtime <= 0o77777777777:
        pax["mtime"] = b"%d" % mtime
    for key, data in (xattrs or {}).items():
        pax[XATTR_PREFIX + key] = data
    main = _ustar(
        short, kind, mode,
        0 if "uid" in pax else uid, 0 if "gid" in pax else gid,
        0 if "size" in pax else size, 0 if "mtime" in pax else mtime, link, device, prefix,
    )  # fmt: skip
    if not pax:
        return main
    body = b"".join(_record(key, pax[key]) for key in sorted(pax))
    extra = _ustar(b"PaxHeaders.0/" + short[:80], "x", 0o644, 0, 0, len(body), 0, b"", (0, 0), b"")
    return extra + body + bytes(-len(body) % BLOCK) + main


def _split(path: bytes) -> tuple[bytes, bytes | None]:
    """ustar keeps up to 155 bytes of leading directories apart from the last 100 bytes."""
    if len(path) <= 100:
        return b"", path
    at = path.rfind(b"/", 0, 156)
    if at <= 0 or len(path) - at - 1 > 100 or len(path) - at - 1 == 0:
        return b"", None
    return path[:at], path[at + 1 :]


def _ustar(
    name: bytes, kind: str, mode: int, uid: int, gid: int, size: int, mtime: int,
    link: bytes, device: tuple[int, int], prefix: bytes,
) -> bytes:  # fmt: skip
    devices = b"%07o\0%07o\0" % device if kind in "34" else bytes(16)
    block = b"".join(
        (
            name.ljust(100, b"\0"),
            b"%07o\0%07o\0%07o\0%011o\0%011o\0        " % (mode, uid, gid, size, mtime),
            kind.encode(),
            link.ljust(100, b"\0"),
            b"ustar\x0000",
            bytes(64),
            devices,
            prefix.ljust(167, b"\0"),
        )
    )
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _record(key: str, value: bytes) -> bytes:
    body = b" " + key.encode("utf-8", "surrogateescape") + b"=" + value + b"\n"
    length = len(body) + len(str(len(body)))
    if len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return b"%d" % length + body


class _ChunkReader(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        target = memoryview(buffer)  # type: ignore[arg-type]
        while not self._rest:
            data = next(self._chunks, None)
            if data is None:
                return 0
            self._rest = memoryview(data)
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        closer = getattr(self._chunks, "close", None)
        if closer is not None and not self.closed:
            closer()
        super().close()
