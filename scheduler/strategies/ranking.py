"""All nodes in order of preference, kept up to date by the index's journal of changes.

What a node weighs depends on the CPU and memory asked for, so there is one order for each such shape; real
requests come in few (the replicas of a service share one). A decision replays the changes since
the order was last used, usually one node, and then takes the first node that passes the filters.
"""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Collection
from itertools import islice

from scheduler.index import Index, Node
from scheduler.models import Request

_SHAPES = 16

Key = tuple[float, ...]


class Ranking:
    """The order for one shape. Entries: (key, a random number to break ties, node id)."""

    def __init__(self, weigh: Callable[[Node], Key | None]) -> None:
        self._weigh = weigh
        self._order: list[tuple[Key, float, str]] = []
        self._entries: dict[str, tuple[Key, float, str]] = {}
        self._position = -1

    def update(self, index: Index) -> None:
        """Take in what changed in the index."""
        self._position, changed = index.changes_since(self._position)
        if changed is None or len(changed) > len(index.nodes) // 4 + 16:
            entries = (self._entry(node) for node in index.nodes.values())
            self._order = sorted(e for e in entries if e is not None)
            self._entries = {e[2]: e for e in self._order}
            return
        for node_id in dict.fromkeys(changed):
            old = self._entries.pop(node_id, None)
            if old is not None:
                del self._order[bisect_left(self._order, old)]
            node = index.nodes.get(node_id)
            entry = self._entry(node) if node is not None else None
            if entry is not None:
                insort(self._order, entry)
                self._entries[node_id] = entry

    def first(self, candidates: Collection[str] | None, passes: Callable[[str], bool]) -> str | None:
        """The best node that passes.

        Among many candidates the order soon meets one. If it has not after as many steps as there are
        candidates, they are compared with each other instead.
        """
        walk = len(self._order) if candidates is None else len(candidates)
        for _, _, node_id in islice(self._order, walk):
            if passes(node_id):
                return node_id
        if candidates is None:
            return None
        entries = [self._entries[c] for c in candidates if c in self._entries and passes(c)]
        return min(entries)[2] if entries else None

    def _entry(self, node: Node) -> tuple[Key, float, str] | None:
        key = self._weigh(node)
        return None if key is None else (key, random.random(), node.id)


class Ranked:
    """Base of strategies that prefer the smallest key. `key` may look at the node's totals and use only."""

    name = ""

    def __init__(self) -> None:
        self._rankings: OrderedDict[tuple[int, int], Ranking] = OrderedDict()

    def key(self, node: Node, nano_cpus: int, memory: int) -> Key | None:
        """Smaller is better; None if the node can't hold that much more."""
        raise NotImplementedError

    def choose(
        self,
        request: Request,
        index: Index,
        candidates: Collection[str] | None,
        passes: Callable[[str], bool],
    ) -> str | None:
        """The first node in the order for the request's shape that passes."""
        shape = (request.nano_cpus, request.memory)
        ranking = self._rankings.get(shape)
        if ranking is None:
            ranking = self._rankings[shape] = Ranking(lambda node: self.key(node, *shape))
            if len(self._rankings) > _SHAPES:
                self._rankings.popitem(last=False)
        self._rankings.move_to_end(shape)
        ranking.update(index)
        return ranking.first(candidates, passes)
