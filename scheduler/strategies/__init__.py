"""Strategies: of the nodes that the filters leave, which one. The contract.

A strategy of your own: a class with `name` and `choose`, under the entry-point group ``dockyard.strategy``.
Most are a `scheduler.strategies.ranking.Ranked` with a `key`: the node with the smallest wins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from scheduler.index import Index
from scheduler.models import Request


class Strategy(Protocol):
    """One way to prefer nodes. Constructed without arguments; may keep rankings between calls."""

    name: str

    def choose(
        self,
        request: Request,
        index: Index,
        candidates: Collection[str] | None,
        passes: Callable[[str], bool],
    ) -> str | None:
        """The id of the best node, None if none has the resources asked for.

        candidates: the only nodes worth a look, None for all; each must still pass `passes`.
        """
        ...
