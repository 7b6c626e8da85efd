"""Near to, or away from, containers and images.

    container==web*      a node with a container of that id or name
    image==redis:7       a node that has the image (id, repo:tag or repo)
    com.app!=front       no container there whose label com.app is front

A node without containers fails every ``==`` and passes every ``!=``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from scheduler.expressions import parse, parse_all
from scheduler.filters import Selection
from scheduler.filters.matching import as_selection, nodes_hit
from scheduler.index import Index
from scheduler.models import Request


class AffinityFilter:
    """Holds a request against what lies on the nodes."""

    name = "affinity"

    def conditions(self, request: Request) -> list[str]:
        """One a term."""
        return [parse(term).describe() for term in request.affinities]

    def select(self, request: Request, index: Index, soft: bool) -> Sequence[Selection]:
        """One selection a term."""
        return [
            as_selection(e, nodes_hit(e, _values(e.key, index))) for e in parse_all(request.affinities, soft)
        ]


def _values(key: str, index: Index) -> Mapping[str, Set[str]]:
    if key == "container":
        return index.container_nodes
    if key == "image":
        return index.images
    return index.nodes_with_container_label(key)
