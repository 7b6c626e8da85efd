"""Only nodes with a slot left, where the engine's label `containerslots` limits them."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.filters import Selection
from scheduler.index import Index
from scheduler.models import Request


class SlotsFilter:
    """Turns down nodes that hold as many containers as they have slots."""

    name = "containerslots"

    def conditions(self, request: Request) -> list[str]:
        """Always the same one."""
        return ["available container slots"]

    def select(self, request: Request, index: Index, soft: bool) -> Sequence[Selection]:
        """All but the full ones, a set that the index keeps."""
        return [Selection("available container slots", excluded=index.full)]
