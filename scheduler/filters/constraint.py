"""What the node itself must be: its name, its labels, its kernel.

    node==n1              the engine's id or name
    storagedriver, kernelversion, operatingsystem, ostype      what `docker info` says there
    zone==eu*             any other label of the engine

A label that a node lacks counts as empty, so it passes ``!=``.
"""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.expressions import Expression, parse, parse_all
from scheduler.filters import Selection
from scheduler.filters.matching import as_selection, nodes_hit
from scheduler.index import Index
from scheduler.models import Request


class ConstraintFilter:
    """Holds a request against the nodes' labels."""

    name = "constraint"

    def conditions(self, request: Request) -> list[str]:
        """One a term."""
        return [parse(term).describe() for term in request.constraints]

    def select(self, request: Request, index: Index, soft: bool) -> Sequence[Selection]:
        """One selection a term."""
        return [_select(e, index) for e in parse_all(request.constraints, soft)]


def _select(expression: Expression, index: Index) -> Selection:
    if expression.key == "node":
        return as_selection(expression, nodes_hit(expression, index.node_names))
    values = index.nodes_with_label(expression.key)
    hit = nodes_hit(expression, values)
    if expression.literal is None and expression.hits(""):
        lacking = index.nodes.keys() - set().union(*values.values())
        hit = hit | lacking
    return as_selection(expression, hit)
