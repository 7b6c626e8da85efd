"""The vocabulary of plans: operations with reasons, in a directed acyclic graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Kind(Enum):
    """What an operation does; the value is the verb that output shows."""

    PULL_IMAGE = "pull"
    BUILD_IMAGE = "build"
    CREATE_NETWORK = "create network"
    CREATE_VOLUME = "create volume"
    CREATE = "create"
    RENAME = "rename"
    START = "start"
    WAIT = "wait"
    STOP = "stop"
    KILL = "kill"
    RESTART = "restart"
    REMOVE = "remove"
    REMOVE_NETWORK = "remove network"
    REMOVE_VOLUME = "remove volume"
    REMOVE_IMAGE = "remove image"


@dataclass(frozen=True, slots=True)
class Operation:
    """One step. id: unique in its plan. target: name of the container, network, … as users know it.

    reason: why it is done, in words. needs: ids of operations that must have succeeded before.
    details: what the executor needs beyond that, by kind (see `compose.execute.actions`).
    """

    id: str
    kind: Kind
    target: str
    service: str = ""
    reason: str = ""
    needs: frozenset[str] = frozenset()
    details: Mapping[str, Any] = field(default_factory=dict)


class Plan:
    """Operations by id, added in any order; a need of an id that never comes counts as met.

    warnings: what the user should know; orphans: the same about containers that no file mentions,
    which COMPOSE_IGNORE_ORPHANS silences.
    """

    def __init__(self) -> None:
        self.operations: dict[str, Operation] = {}
        self.warnings: list[str] = []
        self.orphans: list[str] = []

    def add(
        self,
        kind: Kind,
        target: str,
        *,
        service: str = "",
        reason: str = "",
        needs: Iterable[str] = (),
        key: str = "",
        **details: Any,
    ) -> str:
        """Add an operation; its id is the verb and `key` (else the target). The id."""
        identity = f"{kind.value} {key or target}"
        known = self.operations.get(identity)
        wanted = frozenset(needs) | (known.needs if known else frozenset())
        self.operations[identity] = Operation(identity, kind, target, service, reason, wanted, details)
        return identity

    def need(self, identity: str, *others: str) -> None:
        """`identity` also needs `others`."""
        operation = self.operations[identity]
        self.operations[identity] = Operation(
            operation.id,
            operation.kind,
            operation.target,
            operation.service,
            operation.reason,
            operation.needs | set(others),
            operation.details,
        )

    def __iter__(self) -> Iterator[Operation]:
        """In an order that respects needs, otherwise as added. ValueError if they form a cycle."""
        done: set[str] = set()
        pending = list(self.operations.values())
        while pending:
            ready = [op for op in pending if all(n in done or n not in self.operations for n in op.needs)]
            if not ready:
                raise ValueError(f"operations need each other: {', '.join(op.id for op in pending)}")
            yield from ready
            done.update(op.id for op in ready)
            pending = [op for op in pending if op.id not in done]

    def __len__(self) -> int:
        return len(self.operations)

    def __contains__(self, identity: object) -> bool:
        return identity in self.operations

    def describe(self) -> str:
        """The plan as `--dry-run` prints it: one line an operation, in a possible order."""
        lines = []
        for operation in self:
            reason = f" ({operation.reason})" if operation.reason else ""
            lines.append(f"{operation.kind.value} {operation.target}{reason}")
        return "".join(f"{line}\n" for line in lines) or "nothing to do\n"
