"""Copying files and trees between two roots, by descriptors, so that no link leads out of either.

Kept are mode, owner (unless another is asked for), times, extended attributes, hard links within
one copy, symbolic links as such, fifos and devices; sockets are left out.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engine.errdefs import InvalidParameter, SystemFailure
from engine.layer.confine import lstat_at, normalise, open_directory, open_in_root, remove_at

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 22
_MAX_STEPS = 1000  # components and links on one path; the kernel stops at 40 links


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """How to copy.

    owner: uid and gid for everything, None to keep. mode: permission bits for files and directories
    alike, None to keep. excludes: says of a path relative to the source whether it is left out.
    """

    owner: tuple[int, int] | None = None
    mode: int | None = None
    excludes: Callable[[str], bool] | None = None


@dataclass(slots=True)
class _Copy:
    options: CopyOptions
    links: dict[tuple[int, int], tuple[int, str]] = field(default_factory=dict)


@contextmanager
def opened(root: Path) -> Iterator[int]:
    """A descriptor of a root directory."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def make_directories(root_fd: int, path: str, owner: tuple[int, int] | None = None) -> None:
    """Make `path` with its parents, mode 0755; those that are new belong to `owner` (default 0:0)."""
    parts = normalise(path).split("/")
    for depth in range(1, len(parts) + 1):
        part = "/".join(parts[:depth])
        try:
            os.close(open_in_root(root_fd, part, os.O_PATH))
            continue
        except FileNotFoundError:
            pass
        fd = open_directory(root_fd, part, create=True)
        os.fchown(fd, *(owner or (0, 0)))
        os.close(fd)


def follow(root_fd: int, path: str) -> str:
    """`path` with the links on it followed inside the root, those that lead to nothing yet as well.

    What is made at the result is what a program in the root would find at `path`.
    """
    todo = [part for part in path.split("/") if part]
    done: list[str] = []
    for _ in range(_MAX_STEPS):
        if not todo:
            return "/" + "/".join(done)
        part = todo.pop(0)
        if part in (".", ".."):
            done = done[:-1] if part == ".." else done
            continue
        link = _readlink(root_fd, "/".join([*done, part]))
        if link is None:
            done.append(part)
            continue
        if link.startswith("/"):
            done = []
        todo = [*(piece for piece in link.split("/") if piece), *todo]
    raise InvalidParameter(f"too many links on the way to {path}")


def _readlink(root_fd: int, path: str) -> str | None:
    """Where a link leads; None if `path` is none."""
    try:
        fd = open_in_root(root_fd, path, os.O_PATH | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return os.readlink("", dir_fd=fd) if stat.S_ISLNK(os.fstat(fd).st_mode) else None
    finally:
        os.close(fd)


def copy_into(source_fd: int, path: str, target_fd: int, target: str, options: CopyOptions) -> None:
    """Copy one path to the path `target`, below two roots.

    A directory's content goes into the directory `target`; a file becomes `target`. A link given as
    `path` is followed inside its root. Missing parents are made.
    Raises InvalidParameter where a directory and a file are in each other's way.
    """
    try:
        with _source(source_fd, path) as fd:
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                _copy_directory(fd, target_fd, target, options)
            else:
                _copy_single(source_fd, path, fd, target_fd, target, options)
    except OSError as exc:
        if exc.errno in (errno.ENOTDIR, errno.EISDIR, errno.ELOOP):
            raise InvalidParameter(f"cannot copy to non-directory: {target}") from exc
        raise SystemFailure(f"cannot copy {path}: {exc.strerror}") from exc


@contextmanager
def _source(root_fd: int, path: str) -> Iterator[int]:
    fd = open_in_root(root_fd, normalise(path) or ".", os.O_PATH)
    try:
        yield fd
    finally:
        os.close(fd)


def _copy_directory(path_fd: int, target_fd: int, target: str, options: CopyOptions) -> None:
    make_directories(target_fd, target, options.owner)
    source = os.open(".", _DIRECTORY, dir_fd=path_fd)
    try:
        into = open_directory(target_fd, normalise(target) or ".")
        copy = _Copy(options)
        try:
            _walk(source, into, "", copy)
        finally:
            os.close(into)
            for fd, _ in copy.links.values():
                os.close(fd)
    finally:
        os.close(source)


def _copy_single(
    source_fd: int, path: str, path_fd: int, target_fd: int, target: str, options: CopyOptions
) -> None:
    parent, _, name = normalise(target).rpartition("/")
    if not name:
        raise InvalidParameter(f"cannot copy to non-directory: {target}")
    make_directories(target_fd, parent, options.owner)
    into = open_directory(target_fd, parent or ".")
    try:
        status = os.fstat(path_fd)
        existing = lstat_at(into, name)
        if existing is not None and stat.S_ISDIR(existing.st_mode):
            raise InvalidParameter(f"cannot copy file {path} to {target}: it is a directory")
        if stat.S_ISREG(status.st_mode):
            opened_fd = open_in_root(source_fd, normalise(path), os.O_RDONLY)
            try:
                _file(opened_fd, into, name, status, options)
            finally:
                os.close(opened_fd)
        else:
            _node(into, name, status, options)
    finally:
        os.close(into)


def _walk(source: int, target: int, relative: str, copy: _Copy) -> None:
    for name in sorted(os.listdir(source)):
        path = f"{relative}/{name}" if relative else name
        if copy.options.excludes is not None and copy.options.excludes(path):
            continue
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            _directory(source, target, name, path, copy)
        elif stat.S_ISLNK(status.st_mode):
            remove_at(target, name)
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            _own(target, name, status, copy.options)
            os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target, follow_symlinks=False)
        elif status.st_nlink > 1 and (known := copy.links.get((status.st_dev, status.st_ino))):
            remove_at(target, name)
            os.link(known[1], name, src_dir_fd=known[0], dst_dir_fd=target, follow_symlinks=False)
        elif stat.S_ISREG(status.st_mode):
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
            try:
                _file(fd, target, name, status, copy.options)
            finally:
                os.close(fd)
            _remember(target, name, status, copy)
        elif not stat.S_ISSOCK(status.st_mode):
            _node(target, name, status, copy.options)


def _remember(target: int, name: str, status: os.stat_result, copy: _Copy) -> None:
    """Hold the directory of a file with several names open until the walk is over."""
    if status.st_nlink > 1:
        copy.links[status.st_dev, status.st_ino] = (os.dup(target), name)


def _directory(source: int, target: int, name: str, path: str, copy: _Copy) -> None:
    existing = lstat_at(target, name)
    if existing is not None and not stat.S_ISDIR(existing.st_mode):
        remove_at(target, name, existing)
        existing = None
    if existing is None:
        os.mkdir(name, 0o700, dir_fd=target)
    below = os.open(name, _DIRECTORY, dir_fd=source)
    try:
        into = os.open(name, _DIRECTORY, dir_fd=target)
        try:
            _walk(below, into, path, copy)
            _attributes(below, into, os.fstat(below), copy.options)
        finally:
            os.close(into)
    finally:
        os.close(below)


def _file(source: int, target: int, name: str, status: os.stat_result, options: CopyOptions) -> None:
    remove_at(target, name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, 0o600, dir_fd=target)
    try:
        while os.sendfile(fd, source, None, _CHUNK):
            pass
        _attributes(source, fd, status, options)
    finally:
        os.close(fd)


def _attributes(source: int, target: int, status: os.stat_result, options: CopyOptions) -> None:
    os.fchown(target, *(options.owner or (status.st_uid, status.st_gid)))
    os.fchmod(target, stat.S_IMODE(status.st_mode) if options.mode is None else options.mode)
    for key in os.listxattr(source):
        if not key.startswith("trusted.overlay."):
            try:
                os.setxattr(target, key, os.getxattr(source, key))
            except OSError as exc:
                if exc.errno not in (errno.ENOTSUP, errno.EPERM):
                    raise
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _own(target: int, name: str, status: os.stat_result, options: CopyOptions) -> None:
    uid, gid = options.owner or (status.st_uid, status.st_gid)
    os.chown(name, uid, gid, dir_fd=target, follow_symlinks=False)


def _node(target: int, name: str, status: os.stat_result, options: CopyOptions) -> None:
    """A fifo or a device."""
    remove_at(target, name)
    os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target)
    _own(target, name, status, options)
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target)
