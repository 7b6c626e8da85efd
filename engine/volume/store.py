"""Named storage: which volumes there are, and which containers use them.

Tables: `volumes` (one row a volume) and `volume_uses` (volume × container: a container that only
exists holds its volumes too, with no mounts). A use case calls, for a container's volume::

    create(name) → hold(name, container) → mount … unmount(name, container) → release(container)

All methods block (SQLite, the driver's mkdir or mount) and may be called from any thread.
"""

from __future__ import annotations

import builtins
import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from engine.db import Database
from engine.driverapi import registry
from engine.driverapi.volume import VolumeDriver
from engine.errdefs import Conflict, DockyardError, InvalidParameter, NotFound
from engine.events import EventBus
from engine.volume.records import ANONYMOUS, SCHEMA, Records, Volume, anonymous_name, now

log = logging.getLogger(__name__)


class VolumeStore:
    """The volumes of one data-root (`root` is `<data-root>/volumes`)."""

    def __init__(self, root: Path, db: Database, events: EventBus) -> None:
        self._root = root
        self._db = db
        self._events = events
        self._drivers: dict[str, VolumeDriver] = {}
        self._lock = threading.RLock()
        root.mkdir(mode=0o701, parents=True, exist_ok=True)
        db.script(SCHEMA)
        self._records = Records(db)

    def create(
        self,
        name: str = "",
        driver: str = "",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Volume:
        """Make a volume, or find the one of that name. No name makes an anonymous one.

        Raises InvalidParameter for a bad name or option, NotFound for an unknown driver, Conflict
        if the name belongs to another driver's volume.
        """
        all_labels = dict(labels or {})
        if not name:
            name = anonymous_name()
            all_labels[ANONYMOUS] = ""
        wanted = driver or "local"
        with self._lock:
            if (found := self._records.find(name)) is not None:
                if driver and found.driver != driver:
                    raise Conflict(
                        f"a volume named {name} already exists with the {found.driver} driver. "
                        "Choose a different volume name"
                    )
                return found
            handler = self._driver(wanted, name)
            volume = Volume(name, wanted, dict(options or {}), all_labels, now(), handler.path(name))
            try:
                handler.create(name, volume.options)
            except DockyardError as exc:
                raise type(exc)(f"create {name}: {exc}") from exc
            self._records.insert(volume)
        self._events.publish("volume", "create", name, {"driver": wanted})
        return volume

    def get(self, name: str) -> Volume:
        """The volume called `name`; NotFound."""
        found = self._records.find(name)
        if found is None:
            raise NotFound(f"get {name}: no such volume")
        return found

    def list(self) -> list[Volume]:
        """All volumes by name."""
        return self._records.all()

    def users(self, name: str) -> builtins.list[str]:
        """Ids of the containers that hold the volume, running or not."""
        return self._records.users(name)

    def usage(self) -> dict[str, int]:
        """Volume name → how many containers hold it; unused ones are absent."""
        return self._records.usage()

    def hold(self, name: str, container_id: str) -> None:
        """Note that the container uses the volume, so that it can't be removed."""
        self.get(name)
        self._records.hold(name, container_id)

    def release(self, container_id: str) -> builtins.list[str]:
        """The container is gone: end its uses. Returns the anonymous volumes among them, now unused."""
        with self._lock:
            names = self._records.release(container_id)
            found = (self._records.find(name) for name in names)
            return [v.name for v in found if v and v.anonymous and not self._records.users(v.name)]

    def mount(self, name: str, container_id: str, *, destination: str = "", read_only: bool = False) -> Path:
        """Make the content available to the container: the directory to bind. Counted."""
        volume = self.get(name)
        with self._lock:
            self._records.count_mount(name, container_id, +1)
            try:
                path = self._driver(volume.driver, name).mount(name, volume.options, container_id)
            except BaseException:
                self._records.count_mount(name, container_id, -1)
                raise
        attributes = {
            "container": container_id,
            "destination": destination,
            "driver": volume.driver,
            "propagation": "",
            "read/write": "false" if read_only else "true",
        }
        self._events.publish("volume", "mount", name, attributes)
        return path

    def unmount(self, name: str, container_id: str) -> None:
        """Undo one `mount`. What is not mounted, or gone, is no error."""
        volume = self._records.find(name)
        with self._lock:
            if volume is None or not self._records.count_mount(name, container_id, -1):
                return
            if not self._records.mounts(name, container_id):
                self._driver(volume.driver, name).unmount(name, container_id)
        self._events.publish("volume", "unmount", name, {"container": container_id, "driver": volume.driver})

    def remove(self, name: str, *, force: bool = False) -> None:
        """Delete a volume with its content. Conflict while a container holds it; `force` forgives absence."""
        with self._lock:
            volume = self._records.find(name)
            if volume is None:
                if force:
                    return
                raise NotFound(f"get {name}: no such volume")
            if users := self._records.users(name):
                raise Conflict(f"remove {name}: volume is in use - [{', '.join(users)}]")
            # The directory goes first: after a crash in between, the row is there to try again.
            self._driver(volume.driver, name).remove(name)
            self._records.delete(name)
        self._events.publish("volume", "destroy", name, {"driver": volume.driver})

    def discard(self, name: str) -> None:
        """Remove an anonymous volume of which a crash may have left its directory alone. Conflict if used."""
        with self._lock:
            if self._records.find(name) is not None:
                self.remove(name)
            else:
                self._driver("local", name).remove(name)

    def restore(self, containers: set[str]) -> None:
        """After a daemon restart: forget the uses of containers that are no more, remount the rest."""
        self._records.keep_only(containers)
        for name, container_id in self._records.mounted():
            volume = self._records.find(name)
            if volume is None:
                continue
            try:
                self._driver(volume.driver, name).mount(name, volume.options, container_id)
            except (DockyardError, OSError) as exc:
                log.warning("volume %s can't be mounted again: %s", name, exc)

    def drivers(self) -> builtins.list[str]:
        """Names of the volume drivers there are."""
        return registry.names("volume")

    def _driver(self, driver: str, volume: str) -> VolumeDriver:
        if driver not in self._drivers:
            try:
                made: VolumeDriver = registry.load("volume", driver)(self._root)
            except InvalidParameter as exc:
                raise NotFound(
                    f'create {volume}: error looking up volume plugin {driver}: plugin "{driver}" not found'
                ) from exc
            self._drivers[driver] = made
        return self._drivers[driver]
