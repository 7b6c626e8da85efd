"""Contract of a volume driver: named storage that outlives containers.

`create` makes it, `mount` returns the directory to bind into a container (counted by the id of
who asks), `remove` deletes it with its content. All block; all may be repeated after a crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class VolumeDriver(Protocol):
    """One kind of storage. Constructed as ``Driver(root: Path)``, root `<data-root>/volumes`."""

    name: str

    def create(self, name: str, options: Mapping[str, str]) -> None:
        """Make the volume; InvalidParameter if an option is unknown or wrong."""
        ...

    def path(self, name: str) -> Path:
        """Where its content is, mounted or not: the API's Mountpoint."""
        ...

    def mount(self, name: str, options: Mapping[str, str], user: str) -> Path:
        """Make the content available on behalf of `user` (a container id)."""
        ...

    def unmount(self, name: str, user: str) -> None:
        """End that use."""
        ...

    def remove(self, name: str) -> None:
        """Delete volume and content; a missing one is no error."""
        ...
