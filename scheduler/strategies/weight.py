"""How full a node would be: the formula that spread and binpack share."""

from __future__ import annotations

from scheduler.index import Node


def weight(node: Node, nano_cpus: int, memory: int, health_factor: int) -> int | None:
    """Percent of CPU plus percent of memory in use with the request on top, plus health × its factor.

    A resource not asked for counts 100. None if the node is too small or would be over 100 percent.
    """
    if node.total_nano_cpus < nano_cpus or node.total_memory < memory:
        return None
    cpu = (node.used_nano_cpus + nano_cpus) * 100 // node.total_nano_cpus if nano_cpus else 100
    mem = (node.used_memory + memory) * 100 // node.total_memory if memory else 100
    if cpu > 100 or mem > 100:
        return None
    return cpu + mem + health_factor * node.facts.health
