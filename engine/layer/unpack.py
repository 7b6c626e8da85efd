"""Unpacking an archive into a directory it can't get out of.

Whiteouts (OCI image spec, layer.md) mean "the layer below had this, it is gone". What becomes of
them depends on who unpacks:

    OVERLAY   a 0:0 character device and trusted.overlay.opaque, as overlayfs wants them
    REMOVE    the files are deleted in the tree, which holds a full copy of the layer below (vfs)
    KEEP      no meaning: a `.wh.` file is a file like any other (docker cp)
"""

# A layer has thousands of files; a Path for each would be most of the time.
# ruff: noqa: PTH101

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from engine.errdefs import InvalidParameter, SystemFailure
from engine.layer.confine import lstat_at, normalise, open_directory, open_in_root, proc_path, remove_at
from engine.layer.tarread import Entry, TarReader

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
WHITEOUT_META = ".wh..wh."
OPAQUE_XATTR = "trusted.overlay.opaque"


class Whiteouts(Enum):
    """What a whiteout entry is turned into."""

    OVERLAY = "overlay"
    REMOVE = "remove"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class UnpackOptions:
    """How to unpack.

    owner: uid and gid given to everything, None to keep the archive's.
    keep_kind: refuse to replace a directory by something else or the reverse (docker cp's
        noOverwriteDirNonDir).
    unfinished: accept an archive without its end, as the docker CLI writes build contexts whose
        Dockerfile it has put in.
    """

    whiteouts: Whiteouts = Whiteouts.KEEP
    owner: tuple[int, int] | None = None
    keep_kind: bool = False
    unfinished: bool = False


def unpack(
    tar: BinaryIO,
    root: Path | int,
    options: UnpackOptions | None = None,
    *,
    below: str = "",
) -> int:
    """Unpack into `root` (a path or a directory descriptor); returns the bytes written, links' targets too.

    below: a directory inside `root` that the entries are relative to. Links inside `root` are followed as
    if it were `/`. Raises InvalidParameter for an entry that points outside or a damaged
    archive, SystemFailure if the disk fails; what was unpacked until then stays.
    """
    options = options or UnpackOptions()
    source = TarReader(tar, unfinished=options.unfinished)
    fd = (
        os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if isinstance(root, Path) else os.dup(root)
    )
    extraction = _Extraction(fd, options, normalise(below))
    try:
        for entry in source:
            try:
                extraction.add(entry, source)
            except OSError as exc:
                raise _translate(exc, entry) from exc
        extraction.finish()
    finally:
        extraction.close()
    return extraction.size


def _translate(exc: OSError, entry: Entry) -> Exception:
    if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE):
        return SystemFailure(f"unpacking {entry.name!r}: {exc.strerror}")
    return InvalidParameter(f"unpacking {entry.name!r}: {exc.strerror}")


class _Extraction:
    def __init__(self, root_fd: int, options: UnpackOptions, below: str) -> None:
        self._root = root_fd
        self._options = options
        self._below = below
        self._parent = ""
        self._parent_fd = -1
        self._directories: list[tuple[str, int]] = []
        self._written: set[str] = set()  # REMOVE only: this layer's own paths and their parents
        self.size = 0

    def close(self) -> None:
        self._forget_parent()
        os.close(self._root)

    def add(self, entry: Entry, source: TarReader) -> None:
        path = normalise(entry.name)
        if self._below:
            path = f"{self._below}/{path}" if path else self._below
        if not path:
            if entry.type == "5":
                self._root_attributes(entry)
            return
        parent, _, name = path.rpartition("/")
        if self._options.whiteouts is not Whiteouts.KEEP and name.startswith(WHITEOUT):
            self._whiteout(parent, name)
            return
        if entry.type not in _MAKERS:
            return  # a kind that only its writer knows (a volume label): nothing to unpack
        _MAKERS[entry.type](self, self._directory(parent), path, name, entry, source)
        if self._options.whiteouts is Whiteouts.REMOVE:
            self._remember(path)

    def finish(self) -> None:
        """Directory times come last: every file made inside had changed them."""
        self._forget_parent()
        for path, mtime in reversed(self._directories):
            try:
                fd = open_in_root(self._root, path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            except OSError:
                continue  # replaced by a later entry
            try:
                os.utime(fd, ns=(mtime, mtime))
            finally:
                os.close(fd)

    def _directory(self, parent: str) -> int:
        if self._parent_fd < 0 or parent != self._parent:
            self._forget_parent()
            self._parent_fd = open_directory(self._root, parent, create=True)
            self._parent = parent
        return self._parent_fd

    def _forget_parent(self) -> None:
        if self._parent_fd >= 0:
            os.close(self._parent_fd)
            self._parent_fd = -1

    def _clear(self, dir_fd: int, name: str, *, for_directory: bool) -> os.stat_result | None:
        """Make room for a new entry; a directory stays (and is returned) where one is wanted."""
        found = lstat_at(dir_fd, name)
        if found is None:
            return None
        is_directory = stat.S_ISDIR(found.st_mode)
        if is_directory and for_directory:
            return found
        if self._options.keep_kind and is_directory != for_directory:
            what = "directory" if is_directory else "non-directory"
            other = "non-directory" if is_directory else "directory"
            raise InvalidParameter(f'cannot overwrite {what} "{name}" with {other} "{name}"')
        remove_at(dir_fd, name, found)
        return found

    def _owner(self, entry: Entry) -> tuple[int, int]:
        return self._options.owner or (entry.uid, entry.gid)

    def _root_attributes(self, entry: Entry) -> None:
        os.fchown(self._root, *self._owner(entry))
        os.fchmod(self._root, entry.mode)
        self._set_xattrs(self._root, entry)
        self._directories.append(("", entry.mtime))

    def _set_xattrs(self, target: int | str, entry: Entry) -> None:
        for key, value in entry.xattrs.items():
            if key.startswith("trusted.overlay."):
                continue  # would let an archive steer overlayfs itself
            try:
                if isinstance(target, int):
                    os.setxattr(target, key, value)
                else:
                    os.setxattr(target, key, value, follow_symlinks=False)
            except OSError as exc:
                if exc.errno not in (errno.ENOTSUP, errno.EPERM):
                    raise

    def _attributes(self, dir_fd: int, name: str, entry: Entry, *, chmod: bool) -> None:
        """For what has no descriptor of its own: links, devices, fifos."""
        uid, gid = self._owner(entry)
        os.chown(name, uid, gid, dir_fd=dir_fd, follow_symlinks=False)
        if chmod:  # not a link: made a moment ago in a tree nobody else writes to
            os.chmod(proc_path(dir_fd, name), entry.mode)
        if entry.xattrs:
            self._set_xattrs(proc_path(dir_fd, name), entry)
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=dir_fd, follow_symlinks=False)

    def make_file(self, dir_fd: int, path: str, name: str, entry: Entry, source: TarReader) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(name, flags, 0o600, dir_fd=dir_fd)
        except FileExistsError:
            self._clear(dir_fd, name, for_directory=False)
            fd = os.open(name, flags, 0o600, dir_fd=dir_fd)
        try:
            while data := source.read():
                view = memoryview(data)
                while view:
                    view = view[os.write(fd, view) :]
            os.fchown(fd, *self._owner(entry))
            os.fchmod(fd, entry.mode)
            if entry.xattrs:
                self._set_xattrs(fd, entry)
            os.utime(fd, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(fd)
        self.size += entry.size

    def make_directory(self, dir_fd: int, path: str, name: str, entry: Entry, source: TarReader) -> None:
        opaque = False
        found = self._clear(dir_fd, name, for_directory=True)
        if found is None or not stat.S_ISDIR(found.st_mode):
            opaque = (
                found is not None and self._options.whiteouts is Whiteouts.OVERLAY and _is_whiteout(found)
            )
            os.mkdir(name, 0o700, dir_fd=dir_fd)
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            os.fchown(fd, *self._owner(entry))
            os.fchmod(fd, entry.mode)
            if entry.xattrs:
                self._set_xattrs(fd, entry)
            if opaque:  # this layer both removed the old directory and made a new one
                os.setxattr(fd, OPAQUE_XATTR, b"y")
        finally:
            os.close(fd)
        self._directories.append((path, entry.mtime))

    def make_symlink(self, dir_fd: int, path: str, name: str, entry: Entry, source: TarReader) -> None:
        self._clear(dir_fd, name, for_directory=False)
        os.symlink(entry.linkname, name, dir_fd=dir_fd)
        self.size += len(os.fsencode(entry.linkname))
        self._attributes(dir_fd, name, entry, chmod=False)

    def make_hardlink(self, dir_fd: int, path: str, name: str, entry: Entry, source: TarReader) -> None:
        target = normalise(entry.linkname)
        if self._below:
            target = f"{self._below}/{target}"
        if target == path:
            return
        parent, _, last = target.rpartition("/")
        if not last:
            raise InvalidParameter(f"invalid hard link {entry.name!r}: it points at the root directory")
        target_fd = open_directory(self._root, parent)
        try:
            if lstat_at(target_fd, last) is None:
                raise InvalidParameter(
                    f"invalid hard link {entry.name!r} -> {entry.linkname!r}: no such file"
                )
            self._clear(dir_fd, name, for_directory=False)
            os.link(last, name, src_dir_fd=target_fd, dst_dir_fd=dir_fd, follow_symlinks=False)
        finally:
            os.close(target_fd)

    def make_node(self, dir_fd: int, path: str, name: str, entry: Entry, source: TarReader) -> None:
        self._clear(dir_fd, name, for_directory=False)
        kind = {"3": stat.S_IFCHR, "4": stat.S_IFBLK, "6": stat.S_IFIFO}[entry.type]
        device = os.makedev(entry.devmajor, entry.devminor) if entry.type != "6" else 0
        os.mknod(name, kind | 0o600, device, dir_fd=dir_fd)
        self._attributes(dir_fd, name, entry, chmod=True)

    def _whiteout(self, parent: str, name: str) -> None:
        overlay = self._options.whiteouts is Whiteouts.OVERLAY
        dir_fd = self._directory(parent)
        if name == OPAQUE:
            if overlay:
                os.setxattr(dir_fd, OPAQUE_XATTR, b"y")
            else:
                self._remove_lower(parent, dir_fd)
            return
        hidden = name.removeprefix(WHITEOUT)
        if name.startswith(WHITEOUT_META) or hidden in ("", ".", ".."):
            return  # aufs's own housekeeping
        found = lstat_at(dir_fd, hidden)
        if not overlay:
            path = f"{parent}/{hidden}" if parent else hidden
            if path not in self._written:
                remove_at(dir_fd, hidden, found)
            elif found is not None and stat.S_ISDIR(found.st_mode):
                self._remove_lower_in(path, dir_fd, hidden)
        elif found is None:
            os.mknod(hidden, stat.S_IFCHR, 0, dir_fd=dir_fd)
        elif stat.S_ISDIR(found.st_mode):
            os.setxattr(proc_path(dir_fd, hidden), OPAQUE_XATTR, b"y")

    def _remember(self, path: str) -> None:
        while path and path not in self._written:
            self._written.add(path)
            path = path.rpartition("/")[0]

    def _remove_lower(self, parent: str, dir_fd: int) -> None:
        for name in os.listdir(dir_fd):
            path = f"{parent}/{name}" if parent else name
            if path not in self._written:
                remove_at(dir_fd, name)
                continue
            found = lstat_at(dir_fd, name)
            if found is not None and stat.S_ISDIR(found.st_mode):
                self._remove_lower_in(path, dir_fd, name)

    def _remove_lower_in(self, path: str, dir_fd: int, name: str) -> None:
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            self._remove_lower(path, below)
        finally:
            os.close(below)


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


_MAKERS = {
    "0": _Extraction.make_file,
    "7": _Extraction.make_file,
    "1": _Extraction.make_hardlink,
    "2": _Extraction.make_symlink,
    "3": _Extraction.make_node,
    "4": _Extraction.make_node,
    "5": _Extraction.make_directory,
    "6": _Extraction.make_node,
}
