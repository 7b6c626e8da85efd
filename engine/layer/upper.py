"""What an overlay's upper directory says about the layers below it, read without mounting anything."""

# A layer has thousands of files; a Path for each would be most of the time.
# ruff: noqa: PTH208

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from engine.driverapi.graph import Change, ChangeKind
from engine.layer.compare import same
from engine.layer.unpack import OPAQUE_XATTR


def upper_changes(upper: str, lowers: list[str], parent: str) -> Iterator[Change]:
    """Walk an upper directory beside the lower directories that merge with it, top first; sorted by path."""
    names = set(os.listdir(upper))
    hidden = set() if not is_opaque(upper) else _lower_names(lowers) - names
    for name in sorted(names | hidden):
        path = f"{parent}/{name}"
        if name in hidden:
            yield Change(path, ChangeKind.DELETED)
            continue
        status = os.lstat(f"{upper}/{name}")
        before, merging = _lookup(lowers, name)
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            if before is not None:
                yield Change(path, ChangeKind.DELETED)
            continue
        kind = ChangeKind.ADDED if before is None else ChangeKind.MODIFIED
        if not stat.S_ISDIR(status.st_mode):
            yield Change(path, kind)
            continue
        inner = list(upper_changes(f"{upper}/{name}", merging, path))
        if kind is ChangeKind.ADDED or inner or before is None or not same(status, before):
            yield Change(path, kind)
        yield from inner


def _lookup(lowers: list[str], name: str) -> tuple[os.stat_result | None, list[str]]:
    """The entry as the lower layers show it, and the directories that merge under that name."""
    first: os.stat_result | None = None
    merging: list[str] = []
    for lower in lowers:
        try:
            status = os.lstat(f"{lower}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            break
        if first is None:
            first = status
        if not stat.S_ISDIR(status.st_mode):
            break
        merging.append(f"{lower}/{name}")
        if is_opaque(merging[-1]):
            break
    return first, merging


def _lower_names(lowers: list[str]) -> set[str]:
    found: set[str] = set()
    for lower in lowers:
        found.update(os.listdir(lower))
    return {name for name in found if _lookup(lowers, name)[0] is not None}


def is_opaque(path: str) -> bool:
    """Whether the directory hides those of the same name in the layers below."""
    try:
        return os.getxattr(path, OPAQUE_XATTR, follow_symlinks=False) == b"y"
    except OSError:
        return False


def tree_size(root: str) -> int:
    """Bytes of all files and links' targets below `root`, hard links once: what docker counts."""
    total = 0
    seen: set[int] = set()
    stack = [root]
    while stack:
        with os.scandir(stack.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    stack.append(entry.path)
                elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
                    status = entry.stat(follow_symlinks=False)
                    if status.st_nlink > 1:
                        if status.st_ino in seen:
                            continue
                        seen.add(status.st_ino)
                    total += status.st_size
    return total
