"""Filters: one condition a file. The contract, and the table of those we bring.

Vocabulary
    selection   one condition's answer as sets of node ids: the only ones it allows, or those it
                excludes. Sets come from the index, so a filter costs what its terms cost, not
                what the cluster holds.
    soft        the first of two passes, in which soft terms (``zone==~eu``) count too.

A filter of your own: a class with `name`, `conditions` and `select`, registered under the entry-point
group ``dockyard.filter``, then ``pyswarm manage --filter health --filter yours``::

    class Quiet:
        name = "quiet"

        def conditions(self, request):
            return ["node is quiet"]

        def select(self, request, index, soft):
            noisy = index.nodes_with_label("noisy")["true"]
            return [Selection("node is quiet", excluded=noisy)]
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from scheduler.index import Index
from scheduler.models import Request

#: In the order in which they are applied when nothing else is asked for.
DEFAULT = ("health", "port", "containerslots", "dependency", "affinity", "constraint", "whitelist")


@dataclass(frozen=True, slots=True)
class Selection:
    """What one condition says. allowed: None means all; excluded is taken off after."""

    condition: str
    allowed: Set[str] | None = None
    excluded: Set[str] = frozenset()

    def passes(self, node_id: str) -> bool:
        """Whether the node may be chosen as far as this condition goes."""
        return (self.allowed is None or node_id in self.allowed) and node_id not in self.excluded


class Filter(Protocol):
    """One reason to turn nodes down. Constructed without arguments; keeps no state between calls."""

    name: str

    def conditions(self, request: Request) -> list[str]:
        """The request's conditions in words, soft ones marked; empty if it has none of this kind."""
        ...

    def select(self, request: Request, index: Index, soft: bool) -> Sequence[Selection]:
        """All conditions; InvalidExpression if a term is malformed."""
        ...
