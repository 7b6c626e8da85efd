"""Only nodes that answer."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.filters import Selection
from scheduler.index import Index
from scheduler.models import Request


class HealthFilter:
    """Turns down nodes whose health is 0. The scheduler has its own words for when none is left."""

    name = "health"

    def conditions(self, request: Request) -> list[str]:
        """None that a user could change."""
        return []

    def select(self, request: Request, index: Index, soft: bool) -> Sequence[Selection]:
        """All but the unhealthy."""
        return [Selection("node is healthy", excluded=index.unhealthy)]
