"""The difference of two full directory trees, for drivers that do not record it as it happens."""

# A layer has thousands of files; a Path for each would be most of the time.
# ruff: noqa: PTH115, PTH208

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from engine.driverapi.graph import Change, ChangeKind
from engine.layer.pack import TRAILER, PackOptions, header, pack_entries
from engine.layer.unpack import WHITEOUT


def compare(new: Path, old: Path | None) -> list[Change]:
    """What differs in `new`, sorted by path; a changed entry's directories count as modified.

    Files are told apart by type, mode, owner, size, time, device and link target, not by content.
    """
    return list(_compare(str(new), str(old) if old else None, ""))


def _compare(new: str, old: str | None, parent: str) -> Iterator[Change]:
    here = set(os.listdir(new))
    before = set(os.listdir(old)) if old else set()
    for name in sorted(here | before):
        path = f"{parent}/{name}"
        if name not in here:
            yield Change(path, ChangeKind.DELETED)
            continue
        after = os.lstat(f"{new}/{name}")
        is_directory = stat.S_ISDIR(after.st_mode)
        if old is None or name not in before:
            yield Change(path, ChangeKind.ADDED)
            if is_directory:
                yield from _compare(f"{new}/{name}", None, path)
            continue
        earlier = os.lstat(f"{old}/{name}")
        if is_directory and stat.S_ISDIR(earlier.st_mode):
            inner = list(_compare(f"{new}/{name}", f"{old}/{name}", path))
            if inner or not same(after, earlier):
                yield Change(path, ChangeKind.MODIFIED)
            yield from inner
        elif is_directory:
            yield Change(path, ChangeKind.MODIFIED)
            yield from _compare(f"{new}/{name}", None, path)
        elif not same(after, earlier) or _link(f"{new}/{name}", after) != _link(f"{old}/{name}", earlier):
            yield Change(path, ChangeKind.MODIFIED)


def same(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether two entries look alike from outside. A directory's size means nothing."""
    if (one.st_mode, one.st_uid, one.st_gid, one.st_rdev) != (
        other.st_mode,
        other.st_uid,
        other.st_gid,
        other.st_rdev,
    ):
        return False
    if one.st_mtime_ns != other.st_mtime_ns:
        return False
    return stat.S_ISDIR(one.st_mode) or one.st_size == other.st_size


def _link(path: str, status: os.stat_result) -> str:
    return os.readlink(path) if stat.S_ISLNK(status.st_mode) else ""


def pack_changes(new: Path, changes: list[Change]) -> Iterator[bytes]:
    """A layer archive of `changes`: what is there, then a whiteout for each deletion."""
    present = frozenset(c.path[1:] for c in changes if c.kind is not ChangeKind.DELETED)
    yield from pack_entries(new, PackOptions(only=present), trailer=False)
    for change in changes:
        if change.kind is ChangeKind.DELETED:
            parent, _, name = change.path[1:].rpartition("/")
            yield header(f"{parent}/{WHITEOUT}{name}" if parent else f"{WHITEOUT}{name}", None, "0")
    yield TRAILER
