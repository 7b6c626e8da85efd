"""Emptiest node first."""

from __future__ import annotations

from scheduler.index import Node
from scheduler.strategies.ranking import Key, Ranked
from scheduler.strategies.weight import weight


class SpreadStrategy(Ranked):
    """The smallest weight, health lowering it; then the fewest containers, stopped and reserved ones too."""

    name = "spread"

    def key(self, node: Node, nano_cpus: int, memory: int) -> Key | None:
        """(weight, containers)."""
        value = weight(node, nano_cpus, memory, -10)
        return None if value is None else (value, len(node.containers))
