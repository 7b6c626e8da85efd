"""Filters, then a strategy.

request ──> filters, soft terms counted ──> strategy ──> placement
                  │ nobody left, or no resources
                  └──> the same without the soft terms ──> … or Unplaceable, which explains itself
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

from scheduler.errors import NoHealthyNode, NoResources, Rejection, Unplaceable
from scheduler.filters import Filter, Selection
from scheduler.index import Index
from scheduler.models import Placement, Request
from scheduler.strategies import Strategy

_UNSATISFIED = "Unable to find a node that satisfies the following conditions"


class Scheduler:
    """Decides where containers go. Pure: it reads the index and changes nothing; the caller reserves."""

    def __init__(self, index: Index, filters: Sequence[Filter], strategy: Strategy) -> None:
        self.index = index
        self.filters = tuple(filters)
        self.strategy = strategy

    def place(self, request: Request) -> Placement:
        """The node to use. Raises Unplaceable (NoHealthyNode, NoResources), or InvalidExpression."""
        for soft in (True, False):
            node_id = self._choose(request, [s for _, s in self._select(request, soft)])
            if node_id is not None:
                return Placement(node_id, self.index.nodes[node_id].name)
        raise self._explain(request)

    def _select(self, request: Request, soft: bool) -> list[tuple[str, Selection]]:
        return [(f.name, s) for f in self.filters for s in f.select(request, self.index, soft)]

    def _choose(self, request: Request, selections: Sequence[Selection]) -> str | None:
        allowed = [s.allowed for s in selections if s.allowed is not None]
        candidates = min(allowed, key=len) if allowed else None
        if candidates is not None and not candidates:
            return None
        passes = _all_of(allowed, [s.excluded for s in selections if s.excluded], request.avoid)
        return self.strategy.choose(request, self.index, candidates, passes)

    def _explain(self, request: Request) -> Unplaceable:
        left = set(self.index.nodes)
        rejections: list[Rejection] = []
        for name, selection in self._select(request, soft=False):
            turned_down = {node_id for node_id in left if not selection.passes(node_id)}
            if turned_down:
                rejections.append(self._rejection(name, selection.condition, turned_down))
            left -= turned_down
            if not left:
                return self._refuse(request, name, rejections)
        if request.avoid & left:
            rejections.append(self._rejection("retry", "not tried before", left & request.avoid))
            left -= request.avoid
        if not left:
            return Unplaceable(_UNSATISFIED, rejections) if self.index.nodes else _no_healthy([])
        wanted = f"{request.nano_cpus / 1e9:g} CPUs and {request.memory} bytes of memory"
        rejections.append(self._rejection("strategy", f"{self.strategy.name}: room for {wanted}", left))
        return NoResources("no resources available to schedule container", rejections)

    def _refuse(self, request: Request, last: str, rejections: list[Rejection]) -> Unplaceable:
        if last == "health":
            return _no_healthy(rejections)
        lines = [_UNSATISFIED]
        for filter_ in self.filters:
            conditions = filter_.conditions(request)
            if conditions:
                lines.append(f"[{' '.join(conditions)}]")
            if filter_.name == last:
                break
        return Unplaceable("\n".join(lines), rejections)

    def _rejection(self, name: str, condition: str, node_ids: Set[str]) -> Rejection:
        nodes = self.index.nodes
        return Rejection(name, condition, tuple(sorted(nodes[n].name for n in node_ids)))


def _no_healthy(rejections: list[Rejection]) -> NoHealthyNode:
    return NoHealthyNode("No healthy node available in the cluster", rejections)


def _all_of(
    allowed: Sequence[Set[str]], excluded: Sequence[Set[str]], avoid: Set[str]
) -> Callable[[str], bool]:
    """One predicate over all selections; most requests need none but the two empty checks."""

    def passes(node_id: str) -> bool:
        if node_id in avoid:
            return False
        for bad in excluded:
            if node_id in bad:
                return False
        return all(node_id in good for good in allowed)

    return passes
