"""All containers of the engine: in memory, written through to the table `containers`.

Used from the event loop only. A container is found by id, by name (with or without its slash), or
by an unambiguous prefix of its id, in this order, as docker's clients expect.
"""

from __future__ import annotations

import builtins
import logging
from bisect import bisect_left, insort
from pathlib import Path

import msgspec

from engine.container.live import Live
from engine.container.model import Container
from engine.container.names import random_name, validate
from engine.db import Database
from engine.errdefs import Conflict, InvalidParameter, NotFound, SystemFailure

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS containers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, doc BLOB NOT NULL);
"""


class ContainerStore:
    """`root` is `<data-root>/containers`; each container has a directory of its own in it."""

    def __init__(self, root: Path, db: Database) -> None:
        self._root = root
        self._db = db
        self._containers: dict[str, Container] = {}
        self._ids: builtins.list[str] = []
        self._names: dict[str, str] = {}
        self._lives: dict[str, Live] = {}
        self._encode = msgspec.json.Encoder().encode
        root.mkdir(mode=0o710, parents=True, exist_ok=True)
        db.script(_SCHEMA)
        decode = msgspec.json.Decoder(Container).decode
        for (doc,) in db.query("SELECT doc FROM containers"):
            self._remember(decode(doc))

    def directory(self, container_id: str) -> Path:
        """Where a container's log, hosts file, exit status and so on lie."""
        return self._root / container_id

    def live(self, container_id: str) -> Live:
        """The container's companion; made at the first call, gone with `remove`."""
        live = self._lives.get(container_id)
        if live is None:
            live = self._lives[container_id] = Live()
        return live

    def add(self, container: Container) -> None:
        """Write a new container down; Conflict if its name is taken."""
        self.check_name(container.name)
        with self._db.transaction() as tx:
            row = (container.id, container.name, self._encode(container))
            tx.execute("INSERT INTO containers VALUES (?, ?, ?)", row)
        self._remember(container)

    def save(self, container: Container) -> None:
        """Write a container's present state down; a removed one is left alone."""
        if container.id not in self._containers:
            return
        self.live(container.id).summary = None
        with self._db.transaction() as tx:
            row = (self._encode(container), container.id)
            tx.execute("UPDATE containers SET doc = ? WHERE id = ?", row)

    def try_save(self, container: Container) -> None:
        """As `save`, where what happened has happened: a full disk is logged, and changes nothing."""
        try:
            self.save(container)
        except SystemFailure as exc:
            log.error("the state of container %s is not recorded: %s", container.id[:12], exc)

    def remove(self, container_id: str) -> None:
        """Forget a container; unknown ones are no error."""
        container = self._containers.get(container_id)
        if container is None:
            return
        with self._db.transaction() as tx:
            tx.execute("DELETE FROM containers WHERE id = ?", (container_id,))
        del self._containers[container_id]
        self._names.pop(container.name, None)
        self._lives.pop(container_id, None)
        del self._ids[bisect_left(self._ids, container_id)]

    def rename(self, container: Container, name: str) -> None:
        """Give a container another name; InvalidParameter, Conflict."""
        name = validate(name)
        self.check_name(name)
        old = container.name
        container.name = name
        try:
            with self._db.transaction() as tx:
                row = (name, self._encode(container), container.id)
                tx.execute("UPDATE containers SET name = ?, doc = ? WHERE id = ?", row)
        except BaseException:
            container.name = old
            raise
        del self._names[old]
        self._names[name] = container.id
        self.live(container.id).summary = None

    def get(self, reference: str) -> Container:
        """By id, name or prefix of the id. NotFound, or InvalidParameter if the prefix is ambiguous."""
        found = self.find(reference)
        if found is None:
            raise NotFound(f"No such container: {reference}")
        return found

    def find(self, reference: str) -> Container | None:
        """As `get`, with None where there is none."""
        if exact := self._containers.get(reference):
            return exact
        if named := self._names.get(reference.removeprefix("/")):
            return self._containers[named]
        if not reference:
            return None
        at = bisect_left(self._ids, reference)
        matches = [one for one in self._ids[at : at + 2] if one.startswith(reference)]
        if len(matches) > 1:
            raise InvalidParameter(f"multiple IDs found with provided prefix: {reference}")
        return self._containers[matches[0]] if matches else None

    def list(self) -> builtins.list[Container]:
        """All of them, the newest first."""
        return sorted(self._containers.values(), key=lambda one: one.created, reverse=True)

    def __len__(self) -> int:
        return len(self._containers)

    def check_name(self, name: str) -> None:
        """Conflict if a container has that name."""
        if holder := self._names.get(name):
            raise Conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{holder}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )

    def free_name(self) -> str:
        """A random name that nobody has."""
        return random_name(self._names.__contains__)

    def _remember(self, container: Container) -> None:
        self._containers[container.id] = container
        self._names[container.name] = container.id
        insort(self._ids, container.id)
