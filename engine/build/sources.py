"""What an ADD or COPY takes: its sources found in a root directory, and the digest of their content.

The digest covers names, modes, owners, types, sizes, link targets, devices, extended attributes and
content, but no times: a fresh checkout of the same files hits the build cache.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.build.copytree import opened
from engine.build.dockerignore import translate
from engine.errdefs import InvalidParameter
from engine.layer.confine import normalise, open_in_root

_CHUNK = 1 << 20
_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Source:
    """One path to copy, relative to its root. kind: "file", "dir", or "other"."""

    path: str
    kind: str

    @property
    def name(self) -> str:
        """The last component."""
        return posixpath.basename(self.path)


def find(root: Path, patterns: Sequence[str], instruction: str) -> list[Source]:
    """The sources that `patterns` name, in order.

    Raises InvalidParameter with docker's words: missing, or pointing out of the root.
    """
    found: list[Source] = []
    with opened(root) as fd:
        for pattern in patterns:
            try:
                path = normalise(pattern)
            except InvalidParameter as exc:
                raise InvalidParameter(
                    f"{instruction} failed: forbidden path outside the build context: {pattern} ()"
                ) from exc
            if _WILDCARDS & set(path):
                found += [_single(fd, match, instruction) for match in _glob(fd, path)]
            else:
                found.append(_single(fd, path, instruction))
    if not found:
        raise InvalidParameter(f"{instruction} failed: no source files were specified")
    return found


def _single(root_fd: int, path: str, instruction: str) -> Source:
    try:
        return Source(path, _kind(root_fd, path))
    except FileNotFoundError as exc:
        raise InvalidParameter(
            f"{instruction} failed: file not found in build context or excluded by .dockerignore: "
            f"stat {path}: file does not exist"
        ) from exc
    except OSError as exc:
        raise InvalidParameter(f"{instruction} failed: stat {path}: {exc.strerror}") from exc


def _kind(root_fd: int, path: str) -> str:
    fd = open_in_root(root_fd, path or ".", os.O_PATH)
    try:
        mode = os.fstat(fd).st_mode
    finally:
        os.close(fd)
    return "dir" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


def _glob(root_fd: int, pattern: str) -> list[str]:
    """Paths that match, component by component, sorted."""
    paths = [""]
    for part in pattern.split("/"):
        if not _WILDCARDS & set(part):
            paths = [posixpath.join(path, part) for path in paths]
            continue
        regex = re.compile(translate(part), re.DOTALL)
        paths = [
            posixpath.join(path, name)
            for path in paths
            for name in _list(root_fd, path)
            if regex.fullmatch(name)
        ]
    return [path for path in paths if _exists(root_fd, path)]


def _list(root_fd: int, path: str) -> list[str]:
    try:
        fd = open_in_root(root_fd, path or ".", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []
    try:
        return sorted(os.listdir(fd))  # noqa: PTH208 - of a descriptor
    finally:
        os.close(fd)


def _exists(root_fd: int, path: str) -> bool:
    try:
        os.close(open_in_root(root_fd, path, os.O_PATH | os.O_NOFOLLOW))
    except OSError:
        return False
    return True


def digest(root: Path, sources: Sequence[Source], excludes: Callable[[str], bool] | None = None) -> str:
    """The history's word for what is copied: file:<hex>, dir:<hex>, or multi:<hex> for several."""
    with opened(root) as fd:
        digests = [(source, _digest(fd, source, excludes)) for source in sources]
    if len(digests) == 1:
        source, value = digests[0]
        return f"{'dir' if source.kind == 'dir' else 'file'}:{value}"
    joined = ",".join(f"{source.name}={value}" for source, value in digests)
    return f"multi:{hashlib.sha256(joined.encode(errors='surrogateescape')).hexdigest()}"


def _digest(root_fd: int, source: Source, excludes: Callable[[str], bool] | None) -> str:
    hasher = hashlib.sha256()
    if source.kind == "dir":
        fd = open_in_root(root_fd, source.path or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            _walk(fd, "", hasher, excludes)
        finally:
            os.close(fd)
        return hasher.hexdigest()
    flags = os.O_RDONLY if source.kind == "file" else os.O_PATH
    fd = open_in_root(root_fd, source.path, flags)
    try:
        _record(hasher, source.name, os.fstat(fd), fd if source.kind == "file" else None)
    finally:
        os.close(fd)
    return hasher.hexdigest()


def _walk(dir_fd: int, parent: str, hasher: hashlib._Hash, excludes: Callable[[str], bool] | None) -> None:
    for name in sorted(os.listdir(dir_fd)):
        path = f"{parent}/{name}" if parent else name
        if excludes is not None and excludes(path):
            continue
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            _record(hasher, path, status, None, os.readlink(name, dir_fd=dir_fd))
            continue
        if not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)):
            _record(hasher, path, status, None)
            continue
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            _record(hasher, path, status, fd)
            if stat.S_ISDIR(status.st_mode):
                _walk(fd, path, hasher, excludes)
        finally:
            os.close(fd)


def _record(hasher: hashlib._Hash, name: str, status: os.stat_result, fd: int | None, link: str = "") -> None:
    """One entry; fields end in NUL, so that no two trees give the same bytes."""
    regular = stat.S_ISREG(status.st_mode)
    fields = [
        name,
        f"{status.st_mode:o}",
        str(status.st_uid),
        str(status.st_gid),
        str(status.st_size) if regular else "",
        str(status.st_rdev) if not regular and not stat.S_ISDIR(status.st_mode) else "",
        link,
    ]
    if fd is not None:
        for key in sorted(os.listxattr(fd)):
            if not key.startswith("trusted.overlay."):
                fields.append(f"{key}={os.getxattr(fd, key).hex()}")
    hasher.update(("\0".join(fields) + "\0\0").encode(errors="surrogateescape"))
    if regular and fd is not None:
        while data := os.read(fd, _CHUNK):
            hasher.update(data)
