"""The build context: the client's archive in a directory, minus what `.dockerignore` leaves out."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from engine.build.copytree import opened
from engine.build.dockerignore import Ignore
from engine.build.dockerignore import parse as parse_ignore
from engine.errdefs import InvalidParameter
from engine.layer.compression import decompress
from engine.layer.confine import normalise, open_in_root, remove_at
from engine.layer.unpack import UnpackOptions, unpack

DEFAULT_NAME = "Dockerfile"
_MAX_DOCKERFILE = 8 << 20


def receive(body: BinaryIO, directory: Path) -> None:
    """Unpack a context archive (plain, gzip, bzip2, xz or zstd). All files belong to root. Blocks.

    Raises InvalidParameter for a damaged archive and for entries that point outside.
    """
    with decompress(body) as tar:
        unpack(tar, directory, UnpackOptions(owner=(0, 0), unfinished=True))


def dockerfile(directory: Path, name: str) -> str:
    """The Dockerfile's text; then everything that `.dockerignore` excludes is removed. Blocks.

    The client sends both files in any case, as the daemon must read them.
    """
    with opened(directory) as fd:
        text = _read(fd, name or DEFAULT_NAME)
        if text is None and not name:
            text = _read(fd, DEFAULT_NAME.lower())
        if text is None:
            raise InvalidParameter(f"Cannot locate specified Dockerfile: {name or DEFAULT_NAME}")
        ignore = _read(fd, f"{name or DEFAULT_NAME}.dockerignore") or _read(fd, ".dockerignore")
        if ignore:
            _prune(fd, "", parse_ignore(ignore))
    return text


def _read(root_fd: int, path: str) -> str | None:
    try:
        fd = open_in_root(root_fd, normalise(path), os.O_RDONLY | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise InvalidParameter(f"failed to read {path}: {exc.strerror}") from exc
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_DOCKERFILE:
            raise InvalidParameter(f"failed to read {path}: it is no text file")
        return file.read().decode(errors="replace")


def _prune(dir_fd: int, parent: str, ignore: Ignore) -> bool:
    """Remove what is excluded; tells whether the directory is empty afterwards."""
    left = False
    for name in os.listdir(dir_fd):
        path = f"{parent}/{name}" if parent else name
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        excluded = ignore.excludes(path)
        if not stat.S_ISDIR(status.st_mode):
            if excluded:
                os.unlink(name, dir_fd=dir_fd)
            left = left or not excluded
            continue
        if excluded and not ignore.has_exceptions:
            remove_at(dir_fd, name, status)
            continue
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            empty = _prune(below, path, ignore)
        finally:
            os.close(below)
        if excluded and empty:
            os.rmdir(name, dir_fd=dir_fd)
        else:
            left = True
    return not left
