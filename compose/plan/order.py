"""Orders of services by what depends on what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def topological(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """Names so that each comes after those it depends on; ties keep the given order.

    Edges to names that aren't keys are ignored. Cycles (a loaded project has none) end up last.
    """
    result: list[str] = []
    done: set[str] = set()
    pending = list(edges)
    while pending:
        ready = [n for n in pending if all(t in done or t not in edges or t == n for t in edges[n])]
        ready = ready or pending
        result.extend(ready)
        done.update(ready)
        pending = [n for n in pending if n not in done]
    return result


def dependents(edges: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The same edges the other way round."""
    result: dict[str, list[str]] = {name: [] for name in edges}
    for name, targets in edges.items():
        for target in targets:
            result.setdefault(target, []).append(name)
    return result
