"""Any node, each as likely as the next. Resources are not looked at."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection

from scheduler.index import Index
from scheduler.models import Request

_TRIES = 16


class RandomStrategy:
    """Draws a few nodes and takes the first that passes; lists all that pass only if none of those did."""

    name = "random"

    def choose(
        self,
        request: Request,
        index: Index,
        candidates: Collection[str] | None,
        passes: Callable[[str], bool],
    ) -> str | None:
        """A node drawn uniformly from those that pass."""
        if candidates is None:
            ids = index.node_ids
            for _ in range(min(_TRIES, len(ids))):
                drawn = random.choice(ids)
                if passes(drawn):
                    return drawn
            candidates = ids
        left = [c for c in candidates if c in index.nodes and passes(c)]
        return random.choice(left) if left else None
