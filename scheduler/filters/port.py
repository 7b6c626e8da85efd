"""Only nodes on which the ports to publish are free.

Ports of stopped containers and of reservations count as taken, and TCP and UDP ports of one number don't
clash. A container in the node's network is held only against others there: what it listens on is
a guess from its exposed ports.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from scheduler.filters import Selection
from scheduler.index import Index
from scheduler.models import Port, PortRequest, Request


class PortFilter:
    """Turns down nodes where a published port is taken."""

    name = "port"

    def conditions(self, request: Request) -> list[str]:
        """One a port."""
        return [_describe(port) for port in request.ports]

    def select(self, request: Request, index: Index, soft: bool) -> Sequence[Selection]:
        """Excludes the nodes that use the port; for a range, those that use all of it."""
        selections: list[Selection] = []
        for port in request.ports:
            if port.first == port.last:
                for taken in index.nodes_using(port.choices[0]):
                    if taken:
                        selections.append(Selection(_describe(port), excluded=taken))
            else:
                selections.append(Selection(_describe(port), excluded=_all_taken(port.choices, index)))
        return selections


def _all_taken(choices: Sequence[Port], index: Index) -> Set[str]:
    left: set[str] | None = None
    for port in choices:
        taken: set[str] = set().union(*index.nodes_using(port))
        left = taken if left is None else left & taken
        if not left:
            break
    return left or frozenset()


def _describe(port: PortRequest) -> str:
    return f"port {port} ({'host' if port.host_network else 'bridge'} mode)"
