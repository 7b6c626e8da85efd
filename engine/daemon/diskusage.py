"""How much disk the engine's objects take: `docker system df`."""

from __future__ import annotations

import os
from pathlib import Path

KINDS = frozenset(("container", "image", "volume", "build-cache"))


def tree_bytes(root: Path) -> int:
    """Bytes that the files below `root` take on disk, each hard link once; unreadable ones count nothing."""
    total, seen, pending = 0, set(), [str(root)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    elif status.st_nlink == 1 or (status.st_dev, status.st_ino) not in seen:
                        seen.add((status.st_dev, status.st_ino))
                        total += status.st_size
        except OSError:
            continue
    return total
