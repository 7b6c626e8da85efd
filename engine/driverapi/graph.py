"""Contract of a graph driver: where layers lie on disk and how they become one root directory.

Vocabulary
    cache id    the driver's name for one directory tree; chosen by the layer store, opaque here.
    layer       a tree that is complete and never changes again once `apply` or a commit is done.
    rw layer    a tree on top of a layer that a container writes to.
    diff        the difference between a tree and its parent as a tar stream, deletions as
                `.wh.NAME` and opaque directories as `.wh..wh..opq` (OCI image spec, layer.md).

Lifecycle::

    create(id, parent) ──> apply(id, tar)      a layer from an archive
    create(id, parent) ──> mount(id) … unmount(id) ──> diff(id) / remove(id)

All methods block; call them from a thread where that matters. `create`, `mount` and `unmount`
take well under a millisecond in overlay2. `remove` of an unknown id is no error, so that a
clean-up after a crash can be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable


class ChangeKind(IntEnum):
    """As the API's `/containers/{id}/changes` numbers them."""

    MODIFIED = 0
    ADDED = 1
    DELETED = 2


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs from the parent; `path` is absolute inside the root."""

    path: str
    kind: ChangeKind


class GraphDriver(Protocol):
    """One way to store and stack layers. Constructed as ``Driver(root: Path, options: Mapping[str, str])``.

    The constructor raises Unsupported where the kernel or the file system under `root` lacks
    what the driver needs.
    """

    name: str

    def status(self) -> list[tuple[str, str]]:
        """Rows for `docker info` ("Backing Filesystem", ...)."""
        ...

    def create(self, cache_id: str, parent: str | None, options: Mapping[str, str] | None = None) -> None:
        """Make an empty tree on top of `parent` (a cache id)."""
        ...

    def exists(self, cache_id: str) -> bool:
        """Whether such a tree is there."""
        ...

    def mount(self, cache_id: str) -> Path:
        """Make the whole tree visible and return its path. Counted: mounts nest."""
        ...

    def unmount(self, cache_id: str) -> None:
        """Undo one `mount`; the last one takes the mount away."""
        ...

    def remove(self, cache_id: str) -> None:
        """Delete the tree, mounted or not. The parent stays."""
        ...

    def apply(self, cache_id: str, tar: BinaryIO) -> int:
        """Unpack an uncompressed layer archive into a fresh tree; returns its size in bytes.

        Refuses every entry that would land outside the tree (InvalidParameter).
        """
        ...

    def diff(self, cache_id: str, parent: str | None) -> BinaryIO:
        """The tree's difference to `parent` as a tar stream (uncompressed, entries sorted)."""
        ...

    def changes(self, cache_id: str, parent: str | None) -> list[Change]:
        """The same difference as a list of paths."""
        ...

    def size(self, cache_id: str) -> int:
        """Bytes of the tree's own files, without its parents."""
        ...

    def metadata(self, cache_id: str) -> dict[str, str]:
        """The `GraphDriver.Data` of inspect (LowerDir, UpperDir, ...)."""
        ...

    def recover(self) -> None:
        """Called once when the daemon starts: drop half-made trees, learn which mounts are there.

        A mount that an earlier daemon left is nobody's yet: the first `mount` of it takes it over, and an
        `unmount` without one takes it away.
        """
        ...


@runtime_checkable
class TreeAdopter(Protocol):
    """Optional ability: a finished rw tree becomes a layer without being copied."""

    def adopt(self, cache_id: str, parent: str | None, source: str) -> None:
        """Make `source`'s own files a new tree `cache_id` on top of `parent`.

        `source` must not be in use, and is gone afterwards. `parent` may leave out trees between it and
        `source` (an init layer) whose files the layer shall not rely on.
        """
        ...
