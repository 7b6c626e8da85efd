from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errdefs import Conflict, InvalidParameter, NotFound
from engine.image import inspect, make
from engine.image.store import ImageStore
from tests.unit.image.conftest import Build
from tests.unit.layer.archives import Member, tar

pytestmark = pytest.mark.root


def test_the_id_is_the_digest_of_the_config(store: ImageStore, build: Build) -> None:
    image = build("a")
    raw = store.content.read(image.id)
    assert image.id == "sha256:" + hashlib.sha256(raw).hexdigest()
    assert json.loads(raw) == image.config
    assert image.size == 1


def test_the_same_config_is_the_same_image(store: ImageStore, build: Build) -> None:
    image = build("a")
    assert store.create(image.config) is image
    assert store.layers.release(image.chain_id or "") == [image.chain_id]  # held once, not twice


def test_a_config_whose_layers_are_missing_or_malformed_is_refused(store: ImageStore) -> None:
    with pytest.raises(NotFound):
        store.create({"rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]}})
    for bad in (
        b"[]",
        b"{}",
        b"nonsense",
        b'{"rootfs": {"diff_ids": ["x"]}}',
        b'{"rootfs": {"diff_ids": 3}}',
    ):
        with pytest.raises(InvalidParameter):
            store.create_raw(bad)
    assert store.list() == []


def test_an_image_without_layers(store: ImageStore) -> None:
    image = store.create({"rootfs": {"type": "layers", "diff_ids": []}})
    assert (image.chain_id, image.size) == (None, 0)


def test_resolving(store: ImageStore, build: Build) -> None:
    image = build("a", "app", "localhost:5000/app:v2")
    digest = "sha256:" + "c" * 64
    store.tag(image.id, f"app@{digest}")
    hexadecimal = image.id[7:]
    for text in (
        "app", "app:latest", "docker.io/library/app",
        "localhost:5000/app:v2", f"app@{digest}", f"app:x@{digest}",
        image.id, hexadecimal, hexadecimal[:12], hexadecimal[:4], f"sha256:{hexadecimal[:9]}",
    ):  # fmt: skip
        assert store.resolve(text) is image, text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nope", "No such image: nope:latest"),
        ("app:nope", "No such image: app:nope"),
        ("me/x@sha256:" + "0" * 64, "No such image: me/x@sha256:" + "0" * 64),
        ("0" * 64, "No such image: sha256:" + "0" * 64),
    ],
)
def test_what_is_not_there(store: ImageStore, build: Build, text: str, message: str) -> None:
    build("a", "app")
    with pytest.raises(NotFound) as caught:
        store.resolve(text)
    assert str(caught.value) == message


def test_a_name_wins_over_the_beginning_of_an_id(store: ImageStore, build: Build) -> None:
    one, two = build("a"), build("b")
    store.tag(two.id, one.id[7:15] if not one.id[7:15].isdigit() else "f" + one.id[7:14])
    assert store.resolve(one.id[7:15]) in (one, two)
    store.tag(two.id, one.id[7:15])
    assert store.resolve(one.id[7:15]) is two


def test_an_ambiguous_beginning_of_an_id_is_no_image(store: ImageStore, build: Build) -> None:
    seen: dict[str, str] = {}
    for number in range(40):
        image = build(f"f{number}")
        if image.id[7] in seen:
            with pytest.raises(NotFound):
                store.resolve(image.id[7])
            return
        seen[image.id[7]] = image.id
    pytest.fail("two of 40 ids must begin alike")


def test_a_tag_moves(store: ImageStore, build: Build) -> None:
    one, two = build("a", "app"), build("b")
    store.tag(two.id, "app")
    assert store.references(one.id) == []
    assert store.repo_tags(two.id) == ["app:latest"]
    with pytest.raises(NotFound):
        store.tag("sha256:" + "0" * 64, "app")
    with pytest.raises(InvalidParameter):
        store.tag(one.id, "A:b:c")
    assert store.untag("app") == two.id
    with pytest.raises(NotFound, match="No such image: app:latest"):
        store.untag("app")


def test_deleting_takes_names_layers_and_blobs(store: ImageStore, build: Build) -> None:
    base = build("a", "base")
    top = build("b", "top", "other", parent=base)
    with pytest.raises(Conflict):
        store.delete(base.id)
    assert store.delete(top.id) == [top.chain_id]
    assert store.delete(top.id) == []
    assert store.find_reference("other") is None
    assert store.delete(base.id) == [base.chain_id]
    assert store.content.list() == []


def test_images_with_the_same_layers_share_them(store: ImageStore, build: Build) -> None:
    one = build("a", Cmd=["x"])
    two = build("a", Cmd=["y"])
    assert one.id != two.id and one.chain_id == two.chain_id
    assert store.delete(one.id) == []
    assert store.layers.get(two.chain_id or "")
    assert store.delete(two.id) == [two.chain_id]


def test_a_restart_finds_everything_again(reopen: Callable[[], ImageStore]) -> None:
    first = reopen()
    image = make.import_tar(first, io.BytesIO(tar(Member("f", b"x"))), repo="app", tag="v1")
    child = make.derive(first, image, {}, None)
    stray = first.layers.register(io.BytesIO(tar(Member("stray"))), image.chain_id)
    again = reopen()
    assert again.resolve("app:v1") == image
    assert again.children(image.id) == [child.id]
    assert again.tagged_at(image.id) == first.tagged_at(image.id) > 0
    with pytest.raises(NotFound):
        again.layers.get(stray.chain_id)


def test_an_image_whose_config_was_lost_is_forgotten(reopen: Callable[[], ImageStore]) -> None:
    first = reopen()
    image = make.import_tar(first, io.BytesIO(tar(Member("f"))), repo="app")
    kept = make.import_tar(first, io.BytesIO(tar(Member("g"))), repo="kept")
    first.content.path(image.id).write_bytes(b"")
    again = reopen()
    assert again.list() == [kept]
    assert [layer.chain_id for layer in again.layers.layers()] == [kept.chain_id]


def test_blobs_have_no_name_before_they_are_verified(store: ImageStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="unexpected digest"):
        with store.content.writer() as writer:
            writer.write(b"x")
            writer.commit("sha256:" + "0" * 64)
    assert store.content.list() == []
    assert list((tmp_path / "blobs/ingest").iterdir()) == []
    for wrong in ("sha512:00", "sha256:../../x", "sha256:" + "G" * 64):
        with pytest.raises(InvalidParameter):
            store.content.path(wrong)


def changes(section: dict[str, object], lines: object) -> dict[str, object]:
    return {**section, "Changed": list(lines)}  # type: ignore[call-overload]


def test_import(store: ImageStore) -> None:
    image = make.import_tar(
        store, io.BytesIO(gzip.compress(tar(Member("f", b"text")))),
        changes=["CMD x"], message="mine", repo="a/b", tag="t", apply_changes=changes,
    )  # fmt: skip
    assert store.repo_tags(image.id) == ["a/b:t"]
    assert image.runtime_config == {"Changed": ["CMD x"]}
    (step,) = inspect.history(store, image)
    assert (step["Comment"], step["Size"], step["Id"]) == ("mine", 4, image.id)
    assert image.config["os"] == "linux"


def test_a_refused_import_leaves_nothing(store: ImageStore) -> None:
    with pytest.raises(InvalidParameter):
        make.import_tar(store, io.BytesIO(b"this is no archive" * 100))
    with pytest.raises(InvalidParameter):
        make.import_tar(store, io.BytesIO(tar()), repo="Upper")
    assert store.list() == [] and store.layers.layers() == []


def test_commit(store: ImageStore, build: Build) -> None:
    base = build("a", "base", Env=["A=1"])
    store.layers.create_rw("c", base.chain_id)
    (store.layers.mount_rw("c") / "new").write_text("n")
    image = make.commit(
        store, "c", base, {"Env": ["A=2"]}, author="me", comment="why", created_by="sh", changes=["X"],
        apply_changes=changes,
    )  # fmt: skip
    body = inspect.inspect(store, image, driver="vfs")
    assert body["Parent"] == base.id
    assert (body["Author"], body["Comment"]) == ("me", "why")
    assert body["Config"]["Env"] == ["A=2"] and body["Config"]["Changed"] == ["X"]
    assert body["Config"]["Entrypoint"] is None
    assert body["RootFS"]["Layers"] == image.diff_ids and len(image.diff_ids) == 2
    steps = inspect.history(store, image)
    assert [s["CreatedBy"] for s in steps] == ["sh", "make a"]
    assert [s["Id"] for s in steps] == [image.id, base.id]
    assert steps[1]["Tags"] == ["base:latest"]


def test_a_step_that_changes_no_file_adds_no_layer(store: ImageStore, build: Build) -> None:
    base = build("a")
    store.layers.create_rw("c", base.chain_id)
    image = make.commit(store, "c", base, {"Cmd": ["x"]}, consume=True)
    assert image.diff_ids == base.diff_ids
    assert image.config["history"][-1]["empty_layer"] is True
    assert [s["Size"] for s in inspect.history(store, image)] == [0, 1]


def test_times() -> None:
    assert inspect.seconds("1970-01-01T00:00:01.5Z") == 1.5
    assert inspect.seconds("1970-01-01T01:00:00.123456789+01:00") == pytest.approx(0.123456789)
    assert inspect.seconds("") == inspect.seconds("nonsense") == -62135596800.0
    assert inspect.rfc3339(1.5) == "1970-01-01T00:00:01.500000000Z"
    assert inspect.rfc3339(0) == "0001-01-01T00:00:00Z"


def test_summary(store: ImageStore, build: Build) -> None:
    image = build("a", "x:1", "y:2", Labels={"k": "v"})
    found = inspect.summary(store, image)
    assert found["RepoTags"] == ["x:1", "y:2"]
    assert (found["Labels"], found["Size"], found["ParentId"]) == ({"k": "v"}, 1, "")
    assert isinstance(found["Created"], int)
