"""The init layer: what every container's root needs as mount targets.

It lies between an image's top layer and a container's rw layer, so that neither `docker diff` nor a
commit shows what the engine put there. One is made for each image chain and shared.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.layer.confine import lstat_at, open_directory

# path → kind, as docker's init layer has them
_TARGETS: tuple[tuple[str, str], ...] = (
    ("dev/pts", "dir"),
    ("dev/shm", "dir"),
    ("proc", "dir"),
    ("sys", "dir"),
    (".dockerenv", "file"),
    ("etc/resolv.conf", "file"),
    ("etc/hosts", "file"),
    ("etc/hostname", "file"),
    ("dev/console", "file"),
    ("etc/mtab", "/proc/mounts"),
)


def populate(root: Path) -> None:
    """Create below `root` (a mounted init layer) what the image lacks; what it has stays as it is."""
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for path, kind in _TARGETS:
            parent, _, name = path.rpartition("/")
            try:
                dir_fd = open_directory(root_fd, parent, create=True)
            except OSError:
                continue  # the image has a file or a dangling link there: its business
            try:
                if lstat_at(dir_fd, name) is None:
                    _make(dir_fd, name, kind)
            finally:
                os.close(dir_fd)
    finally:
        os.close(root_fd)


def _make(dir_fd: int, name: str, kind: str) -> None:
    if kind == "dir":
        os.mkdir(name, 0o755, dir_fd=dir_fd)
    elif kind == "file":
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o755, dir_fd=dir_fd))
    else:
        os.symlink(kind, name, dir_fd=dir_fd)
