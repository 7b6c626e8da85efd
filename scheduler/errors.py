"""What can go wrong in placing a container. The scheduler imports nothing of Dockyard, so it has its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SchedulerError(Exception):
    """Base: ``str()`` is fit for a user."""


class InvalidExpression(SchedulerError):
    """A constraint, affinity or whitelist term is malformed."""


class UnknownPlugin(SchedulerError):
    """No filter or strategy of that name."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One condition of one filter, and the nodes that it alone turned down (names, sorted)."""

    filter: str
    condition: str
    nodes: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.nodes[:5])
        if len(self.nodes) > 5:
            shown += f" and {len(self.nodes) - 5} more"
        plural = "node" if len(self.nodes) == 1 else "nodes"
        return f"{self.filter} ({self.condition}) turned down {len(self.nodes)} {plural}: {shown}"


class Unplaceable(SchedulerError):
    """No node takes the container; `rejections` tells, filter by filter, who was turned down and why."""

    def __init__(self, summary: str, rejections: Sequence[Rejection] = ()) -> None:
        self.summary = summary
        self.rejections = tuple(rejections)
        super().__init__("\n".join([summary, *(str(r) for r in self.rejections)]))


class NoHealthyNode(Unplaceable):
    """Nothing is left after the health filter."""


class NoResources(Unplaceable):
    """Nodes pass the filters, and none has the CPU or memory asked for."""
