"""Use cases: `docker cp` (what is at a path, packing, unpacking) and `docker export`. They block."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from engine.container.live import describe
from engine.container.model import Container
from engine.container.timestamps import rfc3339nano
from engine.daemon.engine import Engine
from engine.daemon.fileview import FileView, Found, open_view
from engine.errdefs import Forbidden, InvalidParameter, NotFound, SystemFailure
from engine.layer.pack import TRAILER, PackOptions, header, pack_entries
from engine.layer.unpack import UnpackOptions, unpack

BLOCK, CHUNK = 512, 1 << 20

# Bits of Go's io/fs.FileMode, which the API writes; the nine permission bits are as everywhere.
_GO_KINDS = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
}
_GO_BITS = {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}


def go_mode(mode: int) -> int:
    """st_mode as a Go FileMode (https://pkg.go.dev/io/fs#FileMode)."""
    result = mode & 0o777 | _GO_KINDS.get(stat.S_IFMT(mode), 0)
    return result | sum(bit for flag, bit in _GO_BITS.items() if mode & flag)


def path_stat(view: FileView, found: Found) -> dict[str, Any]:
    """What `X-Docker-Container-Path-Stat` says."""
    return {
        "name": found.name,
        "size": found.status.st_size,
        "mode": go_mode(found.status.st_mode),
        "mtime": rfc3339nano(found.status.st_mtime_ns),
        "linkTarget": view.link_target(found),
    }


def stat_path(engine: Engine, container: Container, reference: str, path: str) -> dict[str, Any]:
    """NotFound if there is nothing."""
    with open_view(engine, container, reference) as view, view.find(path) as found:
        return path_stat(view, found)


def read(engine: Engine, container: Container, reference: str, path: str) -> Iterator[dict[str, Any] | bytes]:
    """First the path's stat, then the archive's bytes."""
    with open_view(engine, container, reference) as view, view.find(path) as found:
        yield path_stat(view, found)
        yield from _pack(found)
    attributes = describe(container)
    engine.events.publish("container", "archive-path", container.id, attributes)


def _pack(found: Found) -> Iterator[bytes]:
    here = Path(f"/proc/self/fd/{found.fd}")
    mode = found.status.st_mode
    name = found.name
    if stat.S_ISDIR(mode):
        yield from pack_entries(here, PackOptions(prefix=name, root_entry=True))
        return
    if stat.S_ISLNK(mode):
        yield header(name, found.status, "2", linkname=os.readlink("", dir_fd=found.fd))
    elif stat.S_ISREG(mode):
        yield from _file(here, name)
    elif stat.S_ISSOCK(mode):
        raise InvalidParameter(f"{found.name} is a socket: it can't be archived")
    else:
        kind = "3" if stat.S_ISCHR(mode) else "4" if stat.S_ISBLK(mode) else "6"
        yield header(name, found.status, kind)
    yield TRAILER


def _file(path: Path, name: str) -> Iterator[bytes]:
    """A file that changes meanwhile is cut, or filled with zeros, to the size it had."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        left = status.st_size
        yield header(name, status, "0", size=left)
        while left:
            data = file.read(min(CHUNK, left)) or bytes(min(CHUNK, left))
            left -= len(data)
            yield data
        yield bytes(-status.st_size % BLOCK)


def write(
    engine: Engine,
    container: Container,
    reference: str,
    path: str,
    tar: BinaryIO,
    *,
    keep_kind: bool,
    owner: tuple[int, int] | None,
) -> None:
    """Unpack into the directory at `path`, which must be there.

    keep_kind: a directory is not replaced by a file, or the reverse. owner: whose everything becomes,
    None to keep the archive's. Forbidden if the place is read-only.
    """
    directory = path if path.endswith(("/", "/.")) else f"{path}/"
    with open_view(engine, container, reference) as view:
        with view.find(path):
            pass  # a missing path is told by its own name
        try:
            with view.find(directory) as found:
                _check_writable(container, found)
                fd = os.open(f"/proc/self/fd/{found.fd}", os.O_RDONLY | os.O_DIRECTORY)
                try:
                    unpack(tar, fd, UnpackOptions(keep_kind=keep_kind, owner=owner))
                finally:
                    os.close(fd)
        except NotFound as exc:
            raise InvalidParameter("extraction point is not a directory") from exc
        except OSError as exc:
            if exc.errno == errno.EROFS:
                raise Forbidden("mounted volume is marked read-only") from exc
            raise SystemFailure(f"can't unpack into {path}: {exc.strerror}") from exc
    engine.events.publish("container", "extract-to-dir", container.id, describe(container))


def _check_writable(container: Container, found: Found) -> None:
    inside = f"/{found.inner}" if found.tree.at == "/" else found.tree.at
    for point in sorted(container.mounts, key=lambda one: len(one.destination), reverse=True):
        if inside == point.destination or inside.startswith(f"{point.destination}/"):
            if not point.rw:
                raise Forbidden("mounted volume is marked read-only")
            return
    if container.host_config.get("ReadonlyRootfs"):
        raise Forbidden("container rootfs is marked read-only")


def export(engine: Engine, container: Container) -> Iterator[bytes]:
    """The container's root, without volumes, as an archive."""
    with engine.layers.export_rw(container.id) as tar:
        while data := tar.read(CHUNK):
            yield data
    engine.events.publish("container", "export", container.id, describe(container))
