"""Fullest node first, so that whole nodes stay free."""

from __future__ import annotations

from scheduler.index import Node
from scheduler.strategies.ranking import Key, Ranked
from scheduler.strategies.weight import weight


class BinpackStrategy(Ranked):
    """The greatest weight, health raising it; then the most containers, stopped and reserved ones too."""

    name = "binpack"

    def key(self, node: Node, nano_cpus: int, memory: int) -> Key | None:
        """(−weight, −containers)."""
        value = weight(node, nano_cpus, memory, 10)
        return None if value is None else (-value, -len(node.containers))
