"""Only nodes on a list: ``node==n1|n2|n3``. Names are compared as they are, without patterns."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.expressions import parse, parse_all
from scheduler.filters import Selection
from scheduler.filters.matching import as_selection
from scheduler.index import Index
from scheduler.models import Request


class WhitelistFilter:
    """Turns down nodes that are not listed."""

    name = "whitelist"

    def conditions(self, request: Request) -> list[str]:
        """One a list."""
        return [parse(term).describe() for term in request.whitelists]

    def select(self, request: Request, index: Index, soft: bool) -> Sequence[Selection]:
        """One selection a list."""
        return [
            as_selection(e, frozenset().union(*(index.node_names[n] for n in e.value.split("|"))))
            for e in parse_all(request.whitelists, soft)
        ]
