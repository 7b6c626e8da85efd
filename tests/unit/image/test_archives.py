"""save and load; that other tools read what we save is in tests/integration/registry."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.db import Database
from engine.driverapi.registry import load as load_driver
from engine.errdefs import DockyardError, InvalidParameter, NotFound
from engine.image.load import load
from engine.image.save import save
from engine.image.store import ImageStore
from engine.layer.store import LayerStore
from tests.unit.image.conftest import Build
from tests.unit.layer.archives import Member, symlink, tar

pytestmark = pytest.mark.root


@pytest.fixture
def other(tmp_path: Path) -> Any:
    place = tmp_path / "other"
    place.mkdir()
    database = Database(place / "engine.db")
    layers = LayerStore(place / "layers", database, load_driver("graph", "vfs")(place / "vfs", {}))
    yield ImageStore(place, database, layers)
    database.close()


def archive(store: ImageStore, *names: str) -> bytes:
    with save(store, names) as stream:
        return stream.read()


def loaded(store: ImageStore, data: bytes, tmp_path: Path) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    load(store, io.BytesIO(data), said.append, scratch=tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []
    return said


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as found:
        return {m.name: found.extractfile(m).read() for m in found.getmembers() if m.isfile()}  # type: ignore[union-attr]


def test_round_trip_keeps_ids_and_names(
    store: ImageStore, build: Build, other: ImageStore, tmp_path: Path
) -> None:
    base = build("a", "base:1")
    top = build("b", "top:1", "top:2", parent=base)
    said = loaded(other, gzip.compress(archive(store, "base:1", "top")), tmp_path)
    assert {image.id for image in other.list()} == {base.id, top.id}
    assert other.repo_tags(top.id) == ["top:1", "top:2"]
    assert [m["stream"] for m in said if "stream" in m] == [
        "Loaded image: base:1\n", "Loaded image: top:1\n", "Loaded image: top:2\n",
    ]  # fmt: skip
    assert archive(other, "base:1", "top") == archive(store, "base:1", "top")


def test_by_id_without_names(store: ImageStore, build: Build, other: ImageStore, tmp_path: Path) -> None:
    image = build("a", "app")
    said = loaded(other, archive(store, image.id[7:19]), tmp_path)
    assert said[-1] == {"stream": f"Loaded image ID: {image.id}\n"}
    assert other.repo_tags(image.id) == []


def test_the_index_alone_is_enough(
    store: ImageStore, build: Build, other: ImageStore, tmp_path: Path
) -> None:
    image = build("a", "app:1")
    files = members(archive(store, "app:1"))
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    layout = tar(
        *(Member(name, data) for name, data in files.items() if name not in ("manifest.json", "repositories"))
    )
    loaded(other, layout, tmp_path)
    assert other.resolve("app:1").id == image.id


def test_a_name_that_pointed_elsewhere(store: ImageStore, build: Build, tmp_path: Path) -> None:
    image = build("a", "app")
    data = archive(store, "app")
    newer = build("b")
    store.tag(newer.id, "app")
    said = loaded(store, data, tmp_path)
    assert said[0]["stream"] == (
        f"The image app:latest already exists, renaming the old one with ID {newer.id} to empty string\n"
    )
    assert store.resolve("app").id == image.id


def test_unknown_names_fail_before_anything_is_sent(store: ImageStore, build: Build) -> None:
    build("a", "app")
    with pytest.raises(NotFound, match="No such image: nope:latest"):
        save(store, ["app", "nope"])


def test_a_changed_tree_is_not_saved_as_what_it_was(store: ImageStore, build: Build, tmp_path: Path) -> None:
    build("a", "app")
    (changed,) = [p for p in (tmp_path / "vfs").rglob("a") if p.is_file()]
    changed.write_text("b")
    with pytest.raises(DockyardError, match="changed on disk"):
        archive(store, "app")


def forge(store: ImageStore, change: Callable[[dict[str, bytes]], None]) -> bytes:
    files = members(archive(store, "app"))
    change(files)
    return tar(*(Member(name, data) for name, data in files.items()))


def wrong_layer(files: dict[str, bytes]) -> None:
    path = json.loads(files["manifest.json"])[0]["Layers"][0]
    files[path] = tar(Member("evil", b"x"))


def missing_layer(files: dict[str, bytes]) -> None:
    del files[json.loads(files["manifest.json"])[0]["Layers"][0]]


def too_few_layers(files: dict[str, bytes]) -> None:
    files["manifest.json"] = json.dumps([{**json.loads(files["manifest.json"])[0], "Layers": []}]).encode()


def no_list(files: dict[str, bytes]) -> None:
    files["manifest.json"] = b'{"Config": 1}'


def bad_tag(files: dict[str, bytes]) -> None:
    files["manifest.json"] = json.dumps(
        [{**json.loads(files["manifest.json"])[0], "RepoTags": ["A B"]}]
    ).encode()


@pytest.mark.parametrize("change", [wrong_layer, missing_layer, too_few_layers, no_list, bad_tag])
def test_forged_archives_are_refused(
    store: ImageStore,
    build: Build,
    other: ImageStore,
    tmp_path: Path,
    change: Callable[[dict[str, bytes]], None],
) -> None:
    build("a", "app")
    data = forge(store, change)
    with pytest.raises(InvalidParameter):
        loaded(other, data, tmp_path)
    assert other.list() == [] and other.layers.layers() == []


def test_archives_read_no_file_of_the_host(other: ImageStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("{}")
    manifest = json.dumps([{"Config": "door/secret", "RepoTags": None, "Layers": []}]).encode()
    for data in (
        tar(Member("manifest.json", manifest), symlink("door", str(tmp_path))),
        tar(Member("manifest.json", manifest.replace(b"door", str(tmp_path).encode()))),
        tar(symlink("manifest.json", str(tmp_path / "secret"))),
        tar(Member("x", b"")),
    ):
        with pytest.raises(InvalidParameter):
            loaded(other, data, tmp_path)
