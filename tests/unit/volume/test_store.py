"""Volumes: made once, held by containers, removed when free."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.db import Database
from engine.errdefs import Conflict, InvalidParameter, NotFound
from engine.volume.store import VolumeStore


class Heard:
    """Remembers what was published."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str, dict[str, Any]]] = []

    def publish(self, type: str, action: str, actor_id: str, attributes: dict[str, Any]) -> None:
        self.events.append((type, action, actor_id, dict(attributes)))

    @property
    def actions(self) -> list[str]:
        return [action for _, action, _, _ in self.events]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def db(tmp_path: Path) -> Any:
    db = Database(tmp_path / "engine.db")
    yield db
    db.close()


@pytest.fixture
def store(tmp_path: Path, db: Database, heard: Heard) -> VolumeStore:
    return VolumeStore(tmp_path / "volumes", db, heard)  # type: ignore[arg-type]


def test_a_volume_is_made_once_and_found_again(store: VolumeStore, heard: Heard) -> None:
    made = store.create("data", labels={"a": "b"})
    assert made.mountpoint.is_dir()
    assert store.create("data") == made
    assert store.get("data").labels == {"a": "b"}
    assert heard.events == [("volume", "create", "data", {"driver": "local"})]
    assert made.to_api() == {
        "CreatedAt": made.created,
        "Driver": "local",
        "Labels": {"a": "b"},
        "Mountpoint": str(made.mountpoint),
        "Name": "data",
        "Options": None,
        "Scope": "local",
    }


def test_a_nameless_volume_is_anonymous(store: VolumeStore) -> None:
    volume = store.create()
    assert len(volume.name) == 64
    assert volume.anonymous
    assert not store.create("named").anonymous


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a", {}, "create a: volume name is too short, names should be at least two alphanumeric characters"),
        ("a/b", {}, 'create a/b: "a/b" includes invalid characters for a local volume name'),
        ("../x", {}, "includes invalid characters"),
        ("ok", {"foo": "bar"}, 'create ok: invalid option: "foo"'),
        ("ok", {"type": "tmpfs"}, 'create ok: missing required option: "device"'),
    ],
)
def test_bad_names_and_options_leave_nothing(
    store: VolumeStore, heard: Heard, tmp_path: Path, name: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        store.create(name, options=options)
    assert message in str(caught.value)
    assert store.list() == []
    assert list((tmp_path / "volumes").iterdir()) == []
    assert heard.events == []


def test_unknown_drivers_are_not_found(store: VolumeStore) -> None:
    with pytest.raises(NotFound, match='plugin "nfsx" not found'):
        store.create("data", "nfsx")


def test_what_a_container_holds_cannot_be_removed(store: VolumeStore, heard: Heard) -> None:
    path = store.create("data").mountpoint
    (path / "file").write_text("x")
    store.hold("data", "c1")
    store.hold("data", "c2")
    with pytest.raises(Conflict) as caught:
        store.remove("data", force=True)
    assert str(caught.value) == "remove data: volume is in use - [c1, c2]"
    assert (path / "file").exists()
    store.release("c1")
    store.release("c2")
    store.remove("data")
    assert not path.exists()
    assert heard.actions == ["create", "destroy"]
    with pytest.raises(NotFound, match="get data: no such volume"):
        store.remove("data")
    store.remove("data", force=True)


def test_releasing_names_the_anonymous_volumes_nobody_else_holds(store: VolumeStore) -> None:
    mine, shared, named = store.create().name, store.create().name, store.create("named").name
    for name in (mine, shared, named):
        store.hold(name, "c1")
    store.hold(shared, "c2")
    assert store.release("c1") == [mine]
    assert store.usage() == {shared: 1}


def test_mounts_are_counted_and_told(store: VolumeStore, heard: Heard) -> None:
    store.create("data")
    first = store.mount("data", "c1", destination="/data", read_only=True)
    assert first == store.mount("data", "c1", destination="/again")
    store.unmount("data", "c1")
    store.unmount("data", "c1")
    store.unmount("data", "c1")
    assert heard.actions == ["create", "mount", "mount", "unmount", "unmount"]
    assert heard.events[1][3] == {
        "container": "c1",
        "destination": "/data",
        "driver": "local",
        "propagation": "",
        "read/write": "false",
    }
    assert store.users("data") == ["c1"]


def test_everything_is_there_after_a_restart(
    store: VolumeStore, db: Database, heard: Heard, tmp_path: Path
) -> None:
    volume = store.create("data", labels={"a": "b"})
    store.mount("data", "alive")
    store.hold("data", "dead")
    again = VolumeStore(tmp_path / "volumes", db, heard)  # type: ignore[arg-type]
    again.restore({"alive"})
    assert again.get("data") == volume
    assert again.users("data") == ["alive"]


def test_a_lost_directory_is_told_at_mount(store: VolumeStore) -> None:
    volume = store.create("data")
    volume.mountpoint.rmdir()
    with pytest.raises(Exception, match="has lost its directory"):
        store.mount("data", "c1")
    assert store._records.mounts("data", "c1") == 0
