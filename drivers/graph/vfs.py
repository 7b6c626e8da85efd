"""Every layer as a full copy of its parent: slow and large, and works on any file system.

    <root>/dir/<cache id>      the whole tree
    <root>/parent/<cache id>   its parent's cache id, if it has one

Files are cloned where the file system shares blocks between copies (FICLONE on btrfs and xfs).
"""

# A layer has thousands of files; a Path for each would be most of the time.
# ruff: noqa: PTH101, PTH102, PTH115, PTH123, PTH208, PTH211

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from engine.driverapi.graph import Change
from engine.errdefs import Conflict, NotFound, SystemFailure
from engine.layer.compare import compare, pack_changes
from engine.layer.pack import PackOptions, pack, stream
from engine.layer.unpack import UnpackOptions, Whiteouts, unpack
from engine.layer.upper import tree_size

_FICLONE = 0x40049409


class VfsDriver:
    """The vfs graph driver; see the module's text."""

    name = "vfs"

    def __init__(self, root: Path, options: Mapping[str, str]) -> None:
        self._root = root
        (root / "dir").mkdir(parents=True, exist_ok=True)
        (root / "parent").mkdir(exist_ok=True)

    def _dir(self, cache_id: str) -> Path:
        return self._root / "dir" / cache_id

    def _need(self, cache_id: str) -> Path:
        path = self._dir(cache_id)
        if not path.is_dir():
            raise NotFound(f"no such layer tree: {cache_id}")
        return path

    def status(self) -> list[tuple[str, str]]:
        """Nothing worth a row."""
        return []

    def create(self, cache_id: str, parent: str | None, options: Mapping[str, str] | None = None) -> None:
        """Copy the parent's tree."""
        target = self._dir(cache_id)
        if target.exists():
            raise Conflict(f"layer tree {cache_id} exists already")
        making = self._dir(f"new-{cache_id}")
        shutil.rmtree(making, ignore_errors=True)
        try:
            if parent is None:
                making.mkdir()
                making.chmod(0o755)
            else:
                copy_tree(self._need(parent), making)
                (self._root / "parent" / cache_id).write_text(parent)
            making.rename(target)
        except OSError as exc:
            shutil.rmtree(making, ignore_errors=True)
            raise SystemFailure(f"creating the layer tree {cache_id}: {exc.strerror}") from exc

    def exists(self, cache_id: str) -> bool:
        """Whether such a tree is there."""
        return self._dir(cache_id).is_dir()

    def mount(self, cache_id: str) -> Path:
        """The tree itself: there is nothing to mount."""
        return self._need(cache_id)

    def unmount(self, cache_id: str) -> None:
        """Nothing to undo."""

    def remove(self, cache_id: str) -> None:
        """Take it out of the way in one step, then delete."""
        gone = self._dir(f"removing-{cache_id}")
        try:
            shutil.rmtree(gone, ignore_errors=True)
            self._dir(cache_id).rename(gone)
            shutil.rmtree(gone)
        except FileNotFoundError:
            pass
        except OSError as exc:
            raise SystemFailure(
                f"removing the layer tree {cache_id}: {exc.strerror} ({exc.filename})"
            ) from exc
        (self._root / "parent" / cache_id).unlink(missing_ok=True)

    def apply(self, cache_id: str, tar: BinaryIO) -> int:
        """Unpack over the copy of the parent; whiteouts delete."""
        return unpack(tar, self._need(cache_id), UnpackOptions(whiteouts=Whiteouts.REMOVE))

    def diff(self, cache_id: str, parent: str | None) -> BinaryIO:
        """By comparing the two trees."""
        tree = self._need(cache_id)
        if parent is None:
            return pack(tree, PackOptions())
        return stream(self._diff(tree, self._need(parent)))

    def _diff(self, tree: Path, old: Path) -> Iterator[bytes]:
        yield from pack_changes(tree, compare(tree, old))

    def changes(self, cache_id: str, parent: str | None) -> list[Change]:
        """By comparing the two trees."""
        return compare(self._need(cache_id), None if parent is None else self._need(parent))

    def size(self, cache_id: str) -> int:
        """The tree's files, less those it shares with its parent."""
        tree = self._need(cache_id)
        try:
            parent = (self._root / "parent" / cache_id).read_text()
        except FileNotFoundError:
            return tree_size(str(tree))
        total = 0
        for change in compare(tree, self._need(parent)):
            try:
                status = (tree / change.path[1:]).lstat()
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                total += status.st_size
        return total

    def metadata(self, cache_id: str) -> dict[str, str]:
        """docker's vfs has none either."""
        return {}

    def recover(self) -> None:
        """Drop what was half made or half removed."""
        for path in (self._root / "dir").iterdir():
            if path.name.startswith(("new-", "removing-")):
                shutil.rmtree(path, ignore_errors=True)
        for path in (self._root / "parent").iterdir():
            if not self.exists(path.name):
                path.unlink(missing_ok=True)


def copy_tree(source: Path, target: Path) -> None:
    """A faithful copy: owners, modes, times, xattrs, devices, and hard links within the tree."""
    links: dict[tuple[int, int], str] = {}
    target.mkdir()
    _copy_directory(str(source), str(target), links)


def _copy_directory(source: str, target: str, links: dict[tuple[int, int], str]) -> None:
    for name in os.listdir(source):
        old, new = f"{source}/{name}", f"{target}/{name}"
        status = os.lstat(old)
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(new, 0o700)
            _copy_directory(old, new, links)
            continue
        if status.st_nlink > 1:
            first = links.setdefault((status.st_dev, status.st_ino), new)
            if first != new:
                os.link(first, new, follow_symlinks=False)
                continue
        if stat.S_ISREG(status.st_mode):
            _copy_file(old, new)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(old), new)
        elif not stat.S_ISSOCK(status.st_mode):
            os.mknod(new, status.st_mode, status.st_rdev)
        else:
            continue
        _copy_attributes(old, new, status)
    _copy_attributes(source, target, os.lstat(source))


def _copy_file(old: str, new: str) -> None:
    with open(old, "rb") as reader, open(new, "xb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
            return
        except OSError as exc:
            if exc.errno not in (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY):
                raise
        while os.sendfile(writer.fileno(), reader.fileno(), None, 1 << 24):
            pass


def _copy_attributes(old: str, new: str, status: os.stat_result) -> None:
    os.chown(new, status.st_uid, status.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(new, stat.S_IMODE(status.st_mode))
    for key in os.listxattr(old, follow_symlinks=False):
        try:
            os.setxattr(new, key, os.getxattr(old, key, follow_symlinks=False), follow_symlinks=False)
        except OSError as exc:
            if exc.errno not in (errno.ENOTSUP, errno.EPERM):
                raise
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
