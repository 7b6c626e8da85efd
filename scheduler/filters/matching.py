"""From an expression and an inverted index to sets of nodes."""

from __future__ import annotations

from collections.abc import Mapping, Set

from scheduler.expressions import Expression
from scheduler.filters import Selection


def nodes_hit(expression: Expression, values: Mapping[str, Set[str]]) -> Set[str]:
    """Nodes with a value that the expression hits, the operator aside.

    A value without patterns is one look-up; otherwise each distinct value is tried once.
    """
    literal = expression.literal
    if literal is not None:
        return values.get(literal, frozenset())
    sets = [nodes for value, nodes in values.items() if expression.hits(value)]
    return sets[0] if len(sets) == 1 else frozenset().union(*sets)


def as_selection(expression: Expression, hit: Set[str]) -> Selection:
    """`hit` is what ``==`` allows and ``!=`` excludes."""
    if expression.negated:
        return Selection(expression.describe(), excluded=hit)
    return Selection(expression.describe(), allowed=hit)
