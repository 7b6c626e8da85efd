"""Drivers by name, imported only when asked for.

Built-ins are a table here; third parties add theirs under the entry-point group
``dockyard.<kind>`` (``[project.entry-points."dockyard.graph"] zfs = "pkg.mod:ZfsDriver"``).
A built-in wins a clash of names, so that installing a package can't replace overlay2.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

from engine.errdefs import InvalidParameter, Unsupported


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a driver lives: ``"package.module:Class"``, and what to install if its import fails."""

    path: str
    hint: str = ""


_BUILTIN: dict[str, dict[str, Entry]] = {
    "graph": {
        "overlay2": Entry("drivers.graph.overlay2:Overlay2Driver"),
        "vfs": Entry("drivers.graph.vfs:VfsDriver"),
    },
    "execution": {
        "native": Entry("drivers.execution.native:NativeDriver"),
    },
    "network": {
        "bridge": Entry("drivers.network.bridge:BridgeDriver"),
        "host": Entry("drivers.network.host:HostDriver"),
        "null": Entry("drivers.network.none:NoneDriver"),
    },
    "volume": {"local": Entry("drivers.volume.local:LocalDriver")},
    "log": {
        "json-file": Entry("drivers.log.json_file:JsonFileDriver"),
        "none": Entry("drivers.log.none:NoneDriver"),
    },
    "machine": {
        "generic": Entry("drivers.machine.generic:GenericDriver"),
        "none": Entry("drivers.machine.none:NoneDriver"),
    },
    "kv": {
        "sqlite": Entry("drivers.kv.sqlite:SqliteStore"),
        "etcd": Entry("drivers.kv.etcd:EtcdStore"),
    },
}

BUILTIN = MappingProxyType(_BUILTIN)


def names(kind: str) -> list[str]:
    """All driver names of a kind, built-in and third-party, sorted."""
    found = set(_BUILTIN.get(kind, {}))
    found.update(ep.name for ep in entry_points(group=f"dockyard.{kind}"))
    return sorted(found)


def load(kind: str, name: str) -> Any:
    """The driver class called `name`.

    Raises InvalidParameter if no such driver is known, Unsupported with an install hint if a
    package it needs is missing.
    """
    entry = _BUILTIN.get(kind, {}).get(name)
    if entry is None:
        for ep in entry_points(group=f"dockyard.{kind}", name=name):
            return ep.load()
        known = ", ".join(names(kind)) or "none"
        raise InvalidParameter(f"unknown {kind} driver {name!r} (known: {known})")
    module, _, attribute = entry.path.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as exc:
        hint = f"; {entry.hint}" if entry.hint else ""
        raise Unsupported(f"{kind} driver {name!r} needs the module {exc.name!r}{hint}") from exc
