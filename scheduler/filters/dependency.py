"""Only the node that holds the containers this one can't be without."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.filters import Selection
from scheduler.index import Index
from scheduler.models import Request


class DependencyFilter:
    """Places a container beside those it takes volumes from, links to or shares a network with."""

    name = "dependency"

    def conditions(self, request: Request) -> list[str]:
        """One a container depended on."""
        return [f"--{why}={name}" for why, name in request.depends_on]

    def select(self, request: Request, index: Index, soft: bool) -> Sequence[Selection]:
        """Allows the nodes that hold a container of that id or name."""
        return [
            Selection(f"--{why}={name}", allowed=index.container_nodes[name])
            for why, name in request.depends_on
        ]
