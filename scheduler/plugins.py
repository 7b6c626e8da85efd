"""Filters and strategies by name: ours are a table, others come by entry point.

A built-in wins a clash of names, so installing a package can't replace one.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from scheduler.errors import UnknownPlugin
from scheduler.filters import Filter
from scheduler.strategies import Strategy

_BUILTIN: dict[str, dict[str, str]] = {
    "filter": {
        "health": "scheduler.filters.health:HealthFilter",
        "port": "scheduler.filters.port:PortFilter",
        "containerslots": "scheduler.filters.containerslots:SlotsFilter",
        "dependency": "scheduler.filters.dependency:DependencyFilter",
        "affinity": "scheduler.filters.affinity:AffinityFilter",
        "constraint": "scheduler.filters.constraint:ConstraintFilter",
        "whitelist": "scheduler.filters.whitelist:WhitelistFilter",
    },
    "strategy": {
        "spread": "scheduler.strategies.spread:SpreadStrategy",
        "binpack": "scheduler.strategies.binpack:BinpackStrategy",
        "random": "scheduler.strategies.random:RandomStrategy",
    },
}


def filters(names: Iterable[str]) -> list[Filter]:
    """New filters in the order given; UnknownPlugin for a name nobody registered."""
    return [_load("filter", name)() for name in names]


def strategy(name: str) -> Strategy:
    """A new strategy."""
    made: Strategy = _load("strategy", name)()
    return made


def names(kind: str) -> list[str]:
    """What can be asked for; kind: filter or strategy."""
    return [
        *_BUILTIN[kind],
        *sorted({e.name for e in entry_points(group=f"dockyard.{kind}")} - {*_BUILTIN[kind]}),
    ]


def _load(kind: str, name: str) -> Any:
    path = _BUILTIN[kind].get(name)
    if path is None:
        for entry in entry_points(group=f"dockyard.{kind}", name=name):
            return entry.load()
        raise UnknownPlugin(f"{kind} {name!r} not supported (known: {', '.join(names(kind))})")
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)
