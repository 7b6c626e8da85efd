"""All containers of the cluster by id, prefix and name. Names are unique in the cluster.

A reference is tried as: full id; name, node/name or swarm id; then an unambiguous prefix of an id.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from engine.errdefs import Conflict, InvalidParameter, NotFound
from swarm.cluster.node import ContainerRecord


class Directory:
    """Records by every reference. Reserved names belong to creates and renames under way."""

    def __init__(self) -> None:
        self._records: dict[str, ContainerRecord] = {}
        self._sorted: list[str] = []
        self._names: dict[str, dict[str, None]] = {}
        self._swarm_ids: dict[str, dict[str, None]] = {}
        self._reserved: set[str] = set()

    def __iter__(self) -> Iterator[ContainerRecord]:
        return iter(self._records.values())

    def __len__(self) -> int:
        return len(self._records)

    def get(self, container_id: str) -> ContainerRecord | None:
        """By full id."""
        return self._records.get(container_id)

    def put(self, record: ContainerRecord) -> None:
        """Add, or replace the record of that id."""
        old = self._records.get(record.id)
        if old is not None:
            self._unlist(old)
        else:
            insort(self._sorted, record.id)
        self._records[record.id] = record
        self._names.setdefault(record.name, {})[record.id] = None
        if record.swarm_id:
            self._swarm_ids.setdefault(record.swarm_id, {})[record.id] = None

    def remove(self, container_id: str) -> ContainerRecord | None:
        """Forget a container; the record, if there was one."""
        record = self._records.pop(container_id, None)
        if record is not None:
            del self._sorted[bisect_left(self._sorted, container_id)]
            self._unlist(record)
        return record

    def _unlist(self, record: ContainerRecord) -> None:
        for table, key in ((self._names, record.name), (self._swarm_ids, record.swarm_id)):
            ids = table.get(key)
            if ids is not None:
                ids.pop(record.id, None)
                if not ids:
                    del table[key]

    def find(self, reference: str) -> ContainerRecord:
        """NotFound with docker's words, InvalidParameter if several containers are meant."""
        reference = reference.lstrip("/")
        record = self._records.get(reference)
        if record is not None:
            return record
        ids = self._named(reference) or list(self._swarm_ids.get(reference, ()))
        if not ids and reference:
            ids = self._prefixed(reference)
        if not ids:
            raise NotFound(f"No such container: {reference}")
        if len(ids) > 1:
            nodes = ", ".join(sorted(self._records[i].node.name for i in ids))
            raise InvalidParameter(
                f"multiple containers found for {reference} (on {nodes}): give the full id or node/name"
            )
        return self._records[ids[0]]

    def _named(self, reference: str) -> list[str]:
        ids = list(self._names.get(reference, ()))
        node, slash, name = reference.partition("/")
        if not ids and slash:
            ids = [i for i in self._names.get(name, ()) if self._records[i].node.name == node]
        return ids

    def _prefixed(self, prefix: str) -> list[str]:
        found = []
        start = bisect_left(self._sorted, prefix)
        for container_id in self._sorted[start : start + 2]:
            if container_id.startswith(prefix):
                found.append(container_id)
        return found

    # Names

    def taken(self, name: str) -> bool:
        """Whether a container has the name, or is about to."""
        return name in self._names or name in self._reserved

    def reserve_name(self, name: str) -> None:
        """Hold a name until `release_name`; Conflict if it is taken."""
        if self.taken(name):
            raise Conflict(
                f"Conflict: The name {name} is already assigned. You have to delete (or rename) that "
                f"container to be able to assign {name} to a container again."
            )
        self._reserved.add(name)

    def release_name(self, name: str) -> None:
        """End a reservation."""
        self._reserved.discard(name)
