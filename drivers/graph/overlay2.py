"""Layers as overlayfs stacks them (Documentation/filesystems/overlayfs.rst).

    <root>/<cache id>/diff      the tree's own files
                     /link      the name of its short link
                     /lower     its parents' short links, nearest first: l/AAAA:l/BBBB
                     /work, /merged   what a mount needs
    <root>/l/<name>             -> ../<cache id>/diff

mount(2) takes one page of options, and 120 absolute paths are more. So a long list of lower
directories is given relative to a descriptor of `l/`, as /proc/self/fd/N/AAAA; no thread has
to change its directory for it.
"""

# A layer has thousands of files; a Path for each would be most of the time.
# ruff: noqa: PTH101, PTH102, PTH103, PTH104, PTH106, PTH108, PTH110, PTH112, PTH116, PTH123, PTH208

from __future__ import annotations

import base64
import ctypes
import errno
import os
import shutil
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from engine.driverapi.graph import Change
from engine.errdefs import Conflict, NotFound, SystemFailure, Unsupported
from engine.layer.compare import compare, pack_changes
from engine.layer.pack import PackOptions, pack, pack_entries, stream
from engine.layer.unpack import OPAQUE_XATTR, UnpackOptions, Whiteouts, unpack
from engine.layer.upper import tree_size, upper_changes

MS_RDONLY = 1
MNT_DETACH = 2
MAX_DEPTH = 128
_MAX_OPTIONS = 4095  # a page, less the terminating NUL
# what a layer is must not depend on the kernel's defaults: a redirect or a metacopy inside
# an upper directory would make it useless anywhere but on top of this very stack
_FIXED = "index=off,redirect_dir=off,metacopy=off"

_libc = ctypes.CDLL(None, use_errno=True)


def _mount(source: str, target: str, fstype: str, flags: int, data: str) -> None:
    args = (source.encode(), os.fsencode(target), fstype.encode(), flags, os.fsencode(data))
    if _libc.mount(args[0], args[1], args[2], ctypes.c_ulong(args[3]), args[4]) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), target)


def _umount(target: str) -> bool:
    """Lazily; False if nothing was mounted there."""
    if _libc.umount2(os.fsencode(target), MNT_DETACH) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOENT):
        return False
    raise OSError(code, os.strerror(code), target)


class Overlay2Driver:
    """The overlay2 graph driver; see the module's text."""

    name = "overlay2"

    def __init__(self, root: Path, options: Mapping[str, str]) -> None:
        self._root = str(root)
        self._lock = threading.Lock()
        self._mounts: dict[str, int] = {}
        self._found: set[str] = set()  # mounted by an earlier daemon; the first to ask takes them over
        os.makedirs(f"{self._root}/l", mode=0o710, exist_ok=True)
        self._links_fd = os.open(f"{self._root}/l", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._probe()

    def _probe(self) -> None:
        base = f"{self._root}/new-check"
        shutil.rmtree(base, ignore_errors=True)
        for name in ("a", "b", "diff", "work", "merged"):
            os.makedirs(f"{base}/{name}")
        try:
            options = f"lowerdir={base}/a:{base}/b,upperdir={base}/diff,workdir={base}/work,{_FIXED}"
            _mount("overlay", f"{base}/merged", "overlay", 0, options)
            _umount(f"{base}/merged")
            os.setxattr(f"{base}/diff", OPAQUE_XATTR, b"y")
        except OSError as exc:
            raise Unsupported(
                f"overlay2 does not work below {self._root}: {exc.strerror}; "
                "use --storage-driver vfs, or a data root on ext4 or xfs with a kernel that has overlayfs"
            ) from exc
        finally:
            shutil.rmtree(base, ignore_errors=True)

    def status(self) -> list[tuple[str, str]]:
        """Rows for `docker info`."""
        return [
            ("Backing Filesystem", _filesystem_of(self._root)),
            ("Supports d_type", "true"),
            ("Using metacopy", "false"),
            ("Native Overlay Diff", "true"),
            ("userxattr", "false"),
        ]

    def create(self, cache_id: str, parent: str | None, options: Mapping[str, str] | None = None) -> None:
        """Make an empty tree. Its root gets the parent's owner and mode, for they show in the mount."""
        target = f"{self._root}/{cache_id}"
        making = f"{self._root}/new-{cache_id}"
        lower, mode, owner = "", 0o755, (0, 0)
        if parent is not None:
            lower = self._stack(parent)
            status = os.stat(f"{self._root}/{parent}/diff")
            mode, owner = stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid)
        try:
            os.mkdir(making, 0o710)
            os.mkdir(f"{making}/diff")
            os.chmod(f"{making}/diff", mode)
            if owner != (0, 0):
                os.chown(f"{making}/diff", *owner)
            link = self._make_link(cache_id)
            _write(f"{making}/link", link)
            if lower:
                _write(f"{making}/lower", lower)
                os.mkdir(f"{making}/work", 0o700)
                os.mkdir(f"{making}/merged", 0o700)
            os.rename(making, target)
        except OSError as exc:
            shutil.rmtree(making, ignore_errors=True)
            if exc.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise Conflict(f"layer tree {cache_id} exists already") from exc
            raise SystemFailure(f"creating the layer tree {cache_id}: {exc.strerror}") from exc

    def _make_link(self, cache_id: str) -> str:
        while True:
            link = base64.b32encode(os.urandom(5)).decode()
            try:
                os.symlink(f"../{cache_id}/diff", link, dir_fd=self._links_fd)
                return link
            except FileExistsError:
                continue

    def _stack(self, parent: str) -> str:
        """The `lower` file's content of a child of `parent`."""
        try:
            link = _read(f"{self._root}/{parent}/link")
        except FileNotFoundError as exc:
            raise NotFound(f"no such layer tree: {parent}") from exc
        below = self._lower_of(parent)
        if below.count(":") + 2 > MAX_DEPTH:
            raise Unsupported(f"an image can have at most {MAX_DEPTH} layers; merge some of its steps")
        return f"l/{link}:{below}" if below else f"l/{link}"

    def _lower_of(self, cache_id: str) -> str:
        try:
            return _read(f"{self._root}/{cache_id}/lower")
        except FileNotFoundError:
            return ""

    def exists(self, cache_id: str) -> bool:
        """Whether such a tree is there."""
        return os.path.isdir(f"{self._root}/{cache_id}/diff")

    def mount(self, cache_id: str) -> Path:
        """The merged tree; a tree without parents is its own."""
        base = f"{self._root}/{cache_id}"
        with self._lock:
            count = self._mounts.get(cache_id, 0)
            lower = self._lower_of(cache_id)
            if not lower:
                if not self.exists(cache_id):
                    raise NotFound(f"no such layer tree: {cache_id}")
                self._mounts[cache_id] = count + 1
                return Path(f"{base}/diff")
            if count == 0 and cache_id in self._found:
                self._found.discard(cache_id)
            elif count == 0:
                self._mount_stack(lower.split(":"), cache_id, f"{base}/merged", 0)
            self._mounts[cache_id] = count + 1
            return Path(f"{base}/merged")

    def _mount_stack(self, lowers: list[str], upper: str, target: str, flags: int) -> None:
        """upper: the cache id whose diff and work directories are written to, "" for a read-only view."""
        options = _options(self._root, self._root, lowers, upper)
        if len(os.fsencode(options)) > _MAX_OPTIONS:
            near = f"/proc/self/fd/{self._links_fd}"
            options = _options(near, f"{near}/..", [entry[2:] for entry in lowers], upper)
        try:
            _mount("overlay", target, "overlay", flags, options)
        except OSError as exc:
            raise SystemFailure(f"mounting the layers at {target}: {exc.strerror}") from exc

    def unmount(self, cache_id: str) -> None:
        """Undo one mount; one too many is no error."""
        with self._lock:
            count = self._mounts.get(cache_id, 0)
            if count > 1:
                self._mounts[cache_id] = count - 1
                return
            self._mounts.pop(cache_id, None)
            if count or cache_id in self._found:
                self._found.discard(cache_id)
                _umount(f"{self._root}/{cache_id}/merged")

    def remove(self, cache_id: str) -> None:
        """Unmount, take out of the way in one step, delete."""
        base = f"{self._root}/{cache_id}"
        with self._lock:
            if self._mounts.pop(cache_id, 0) or cache_id in self._found:
                self._found.discard(cache_id)
                _umount(f"{base}/merged")
        try:
            link = _read(f"{base}/link")
            os.unlink(f"{self._root}/l/{link}")
        except FileNotFoundError:
            pass
        gone = f"{self._root}/removing-{cache_id}"
        try:
            self._move_away(base, gone)
            _delete(gone)
        except FileNotFoundError:
            pass
        except OSError as exc:
            raise SystemFailure(
                f"removing the layer tree {cache_id}: {exc.strerror} ({exc.filename})"
            ) from exc

    def _move_away(self, base: str, gone: str) -> None:
        try:
            os.rename(base, gone)
        except OSError as exc:
            if exc.errno == errno.EBUSY:  # a mount of an earlier daemon that nobody told us of
                _umount(f"{base}/merged")
                os.rename(base, gone)
            elif exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            else:
                shutil.rmtree(gone)
                os.rename(base, gone)

    def apply(self, cache_id: str, tar: BinaryIO) -> int:
        """Unpack into the tree's own directory; whiteouts become overlay's."""
        return unpack(tar, Path(f"{self._root}/{cache_id}/diff"), UnpackOptions(whiteouts=Whiteouts.OVERLAY))

    def diff(self, cache_id: str, parent: str | None) -> BinaryIO:
        """The upper directory as it is, or for any other parent a comparison of the two trees."""
        if self._is_parent(cache_id, parent):
            return pack(Path(f"{self._root}/{cache_id}/diff"), PackOptions(overlay=True))
        return stream(self._diff_any(cache_id, parent))

    def _diff_any(self, cache_id: str, parent: str | None) -> Iterator[bytes]:
        with self._view(cache_id) as tree:
            if parent is None:
                yield from pack_entries(tree, PackOptions())
                return
            with self._view(parent) as old:
                yield from pack_changes(tree, compare(tree, old))

    def _is_parent(self, cache_id: str, parent: str | None) -> bool:
        lower = self._lower_of(cache_id)
        if parent is None:
            return not lower
        return lower.partition(":")[0] == "l/" + _read(f"{self._root}/{parent}/link")

    @contextmanager
    def _view(self, cache_id: str) -> Iterator[Path]:
        """The whole tree, read-only, beside a mount it may have."""
        with self._lock:
            if self._mounts.get(cache_id) and self._lower_of(cache_id):
                self._mounts[cache_id] += 1
                mounted = True
            else:
                mounted = False
        if mounted:
            try:
                yield Path(f"{self._root}/{cache_id}/merged")
            finally:
                self.unmount(cache_id)
            return
        lower = self._lower_of(cache_id)
        if not lower:
            yield Path(f"{self._root}/{cache_id}/diff")
            return
        target = f"{self._root}/new-view-{os.urandom(6).hex()}"
        os.mkdir(target, 0o700)
        try:
            self._mount_stack(self._stack(cache_id).split(":"), "", target, MS_RDONLY)
            yield Path(target)
        finally:
            _umount(target)
            os.rmdir(target)

    def changes(self, cache_id: str, parent: str | None) -> list[Change]:
        """From the upper directory alone where `parent` is the tree's own parent."""
        if not self._is_parent(cache_id, parent):
            with self._view(cache_id) as tree:
                if parent is None:
                    return compare(tree, None)
                with self._view(parent) as old:
                    return compare(tree, old)
        lowers = [f"{self._root}/{entry}" for entry in self._lower_of(cache_id).split(":") if entry]
        return list(upper_changes(f"{self._root}/{cache_id}/diff", lowers, ""))

    def size(self, cache_id: str) -> int:
        """Bytes of the files and links in the upper directory, hard links once."""
        return tree_size(f"{self._root}/{cache_id}/diff")

    def metadata(self, cache_id: str) -> dict[str, str]:
        """The directories, as overlayfs is given them."""
        base = f"{self._root}/{cache_id}"
        data = {"MergedDir": f"{base}/merged", "UpperDir": f"{base}/diff", "WorkDir": f"{base}/work"}
        lower = self._lower_of(cache_id)
        if lower:
            data["LowerDir"] = ":".join(
                os.path.realpath(f"{self._root}/{entry}") for entry in lower.split(":")
            )
        return data

    def adopt(self, cache_id: str, parent: str | None, source: str) -> None:
        """Make `source`'s own files a new tree on top of `parent`; `source` is gone afterwards.

        `source` must not be in use. Instant, whatever the size.
        """
        with self._lock:
            if self._mounts.pop(source, 0):
                _umount(f"{self._root}/{source}/merged")
        self.create(cache_id, parent)
        own, old = f"{self._root}/{cache_id}/diff", f"{self._root}/{source}/diff"
        os.rmdir(own)
        os.rename(old, own)
        os.mkdir(old)  # so that a crash right here leaves a tree that can be removed
        self.remove(source)

    def recover(self) -> None:
        """Find the mounts of an earlier daemon, drop what was half made or half removed."""
        prefix = self._root + "/"
        for target in _mount_points():
            if target.startswith((prefix + "new-", prefix + "removing-")):
                _umount(target)
            elif target.startswith(prefix) and target.endswith("/merged"):
                cache_id = target[len(prefix) : -len("/merged")]
                if not self._mounts.get(cache_id):
                    self._found.add(cache_id)
        for name in os.listdir(self._root):
            if name.startswith(("new-", "removing-")):
                shutil.rmtree(prefix + name, ignore_errors=True)
        for link in os.listdir(prefix + "l"):
            if not os.path.exists(f"{prefix}l/{link}"):
                os.unlink(f"{prefix}l/{link}")


def _options(near: str, root: str, lowers: list[str], upper: str) -> str:
    below = ":".join(f"{near}/{entry}" for entry in lowers)
    writable = f",upperdir={root}/{upper}/diff,workdir={root}/{upper}/work" if upper else ""
    return f"lowerdir={below}{writable},{_FIXED}"


def _mount_points() -> list[str]:
    """Field 5 of /proc/self/mountinfo (proc(5)), unescaped."""
    points = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            raw = line.split(" ")[4]
            points.append(
                raw.encode("utf-8", "surrogateescape").decode("unicode_escape") if "\\" in raw else raw
            )
    return points


def _filesystem_of(path: str) -> str:
    best, kind = "", "unknown"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            left, _, right = line.partition(" - ")
            point = left.split(" ")[4]
            inside = path == point or path.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, kind = point, right.split(" ")[0]
    return "extfs" if kind in ("ext2", "ext3", "ext4") else kind


def _delete(directory: str) -> None:
    """Delete a tree; one whose container wrote nothing, which is most, without looking into it."""
    try:
        for name in ("link", "lower"):
            os.unlink(f"{directory}/{name}")
        for name in ("merged", "work/work", "work", "diff"):
            os.rmdir(f"{directory}/{name}")
        os.rmdir(directory)
    except OSError:
        shutil.rmtree(directory)


def _read(path: str) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 1 << 16).decode()
    finally:
        os.close(fd)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
