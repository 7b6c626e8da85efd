"""A container's file system from outside, for `docker cp`: as its processes see it, or as they would.

Of a running container it is looked at through /proc/<pid>/root, volumes and tmpfs included; of another
one through its mounted rw layer, with the volumes' and binds' directories in their places. Paths are
resolved by the kernel as in a chroot (engine.layer.confine), so no link leads out.
Everything here blocks.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.container.model import Container, MountPoint
from engine.daemon.engine import Engine
from engine.errdefs import InvalidParameter, NotFound, SystemFailure
from engine.layer.confine import open_in_root

_PATH = os.O_PATH | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class Tree:
    """One directory tree. fd: its root. prefix: the host's path of it. at: where the container has it."""

    fd: int
    prefix: str
    at: str
    rw: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """A path that is there. fd: O_PATH, a last link not followed. tree, inner: where it really lies."""

    fd: int
    status: os.stat_result
    name: str
    tree: Tree
    inner: str


class FileView:
    """The trees of one container, the root first, then what is mounted in it."""

    def __init__(self, reference: str, root: Tree, mounted: list[Tree]) -> None:
        self._reference = reference
        self._root = root
        self._mounted = sorted(mounted, key=lambda tree: len(tree.at), reverse=True)

    @contextmanager
    def find(self, path: str) -> Iterator[Found]:
        """The object at `path`. A trailing ``/`` or ``/.`` follows a link. NotFound if there is none."""
        if not path:
            raise InvalidParameter("bad parameter: path cannot be empty")
        absolute = "/" + posixpath.normpath(path).lstrip("/").removeprefix(".")
        follow = path.endswith(("/", "/."))
        name = "." if path.endswith("/.") else posixpath.basename(absolute) or "/"
        tree, inner = self._locate(absolute, follow=follow)
        try:
            fd = self._open(tree, inner, follow=follow)
        except OSError as exc:
            raise NotFound(f"Could not find the file {path} in container {self._reference}") from exc
        try:
            status = os.fstat(fd)
            if follow and not stat.S_ISDIR(status.st_mode):
                raise NotFound(f"Could not find the file {path} in container {self._reference}")
            yield Found(fd, status, name, tree, inner)
        finally:
            os.close(fd)

    def link_target(self, found: Found) -> str:
        """Where a link leads in the end, as an absolute path in the container; "" if it is no link."""
        if not stat.S_ISLNK(found.status.st_mode):
            return ""
        place = posixpath.dirname(posixpath.join(found.tree.at, found.inner))
        text = os.readlink("", dir_fd=found.fd)
        lexical = "/" + posixpath.normpath(posixpath.join(place, text)).lstrip("/")
        try:
            fd = open_in_root(found.tree.fd, found.inner or ".", os.O_PATH)
        except OSError:
            return lexical
        try:
            return self._inside(found.tree, fd)
        finally:
            os.close(fd)

    def _locate(self, absolute: str, *, follow: bool) -> tuple[Tree, str]:
        """Which tree a path is in: by its text, then by where the links in its parents lead."""
        if (found := self._by_text(absolute)) is not None:
            return found
        parent = absolute if follow else posixpath.dirname(absolute)
        try:
            fd = open_in_root(self._root.fd, parent.lstrip("/") or ".", os.O_PATH)
        except OSError:
            return self._root, absolute.lstrip("/")
        try:
            real = self._inside(self._root, fd)
        finally:
            os.close(fd)
        whole = real if follow else posixpath.join(real, posixpath.basename(absolute))
        return self._by_text(whole) or (self._root, absolute.lstrip("/"))

    def _by_text(self, absolute: str) -> tuple[Tree, str] | None:
        for tree in self._mounted:
            if absolute == tree.at or absolute.startswith(f"{tree.at}/"):
                return tree, absolute[len(tree.at) :].lstrip("/")
        return None

    def _open(self, tree: Tree, inner: str, *, follow: bool) -> int:
        return open_in_root(tree.fd, inner or ".", os.O_PATH if follow or not inner else _PATH)

    def _inside(self, tree: Tree, fd: int) -> str:
        """The container's name of something open."""
        real = os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115  # a Path would lose the text's form
        if tree.prefix != "/" and (real == tree.prefix or real.startswith(f"{tree.prefix}/")):
            real = real[len(tree.prefix) :]
        return posixpath.normpath(posixpath.join(tree.at, real.lstrip("/"))) or "/"


@contextmanager
def open_view(engine: Engine, container: Container, reference: str) -> Iterator[FileView]:
    """Look into a container. SystemFailure if its file system can't be reached."""
    running = container.running and container.state.pid
    root = Path(f"/proc/{container.state.pid}/root") if running else engine.layers.mount_rw(container.id)
    trees: list[Tree] = []
    try:
        try:
            flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
            trees.append(Tree(os.open(root, flags), "/" if running else str(root), "/"))
            for point in () if running else container.mounts:
                trees.extend(_mounted(point, flags))
        except OSError as exc:
            raise SystemFailure(f"can't look into container {container.name}: {exc}") from exc
        yield FileView(reference, trees[0], trees[1:])
    finally:
        for tree in trees:
            os.close(tree.fd)
        if not running:
            engine.layers.unmount_rw(container.id)


def _mounted(point: MountPoint, flags: int) -> list[Tree]:
    """A volume's or bind's directory; files and what is missing are left out."""
    if not point.source or not Path(point.source).is_dir():
        return []
    return [Tree(os.open(point.source, flags), point.source, point.destination, point.rw)]
