"""Drivers by name: all of the table load, others are refused with what to do."""

from __future__ import annotations

import pytest

from engine.driverapi import registry
from engine.driverapi.registry import Entry
from engine.errdefs import InvalidParameter, Unsupported


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in registry.BUILTIN for name in registry.BUILTIN[kind]]
)
def test_every_driver_of_the_table_is_there(kind: str, name: str) -> None:
    assert isinstance(registry.load(kind, name), type)


def test_an_unknown_driver_is_refused_with_those_we_know() -> None:
    with pytest.raises(InvalidParameter, match=r"unknown graph driver 'zfs' \(known: overlay2, vfs\)"):
        registry.load("graph", "zfs")


def test_a_missing_package_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry("no_such_package.driver:Driver", "install dockyard[zookeeper]")
    monkeypatch.setitem(registry._BUILTIN["kv"], "zookeeper", entry)
    with pytest.raises(
        Unsupported, match=r"needs the module 'no_such_package'; install dockyard\[zookeeper\]"
    ):
        registry.load("kv", "zookeeper")


def test_names_are_sorted() -> None:
    assert registry.names("machine") == ["generic", "none"]
    assert registry.names("nosuch") == []
