"""The layer store on a real graph driver (unpacking keeps owners, so it needs root)."""

from __future__ import annotations

import hashlib
import io
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.db import Database
from engine.driverapi.graph import ChangeKind
from engine.driverapi.registry import load
from engine.errdefs import Conflict, InvalidParameter, NotFound
from engine.layer.store import EMPTY_DIFF_ID, LayerStore, chain_id, chain_of
from tests.unit.layer.archives import Member, directory, tar

pytestmark = pytest.mark.root

Opener = Callable[[], LayerStore]


@pytest.fixture(params=["overlay2", "vfs"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    databases: list[Database] = []

    def opener() -> LayerStore:
        database = Database(tmp_path / "engine.db")
        databases.append(database)
        return LayerStore(tmp_path / "layers", database, load("graph", request.param)(tmp_path / "graph", {}))

    yield opener
    for database in databases:
        database.close()
    with open("/proc/self/mountinfo") as lines:
        left = [line.split(" ")[4] for line in lines if str(tmp_path) in line.split(" ")[4]]
    for target in left:
        subprocess.run(["umount", "-l", target], check=True)


@pytest.fixture
def layers(reopen: Opener) -> LayerStore:
    return reopen()


def trees(tmp_path: Path) -> list[str]:
    base = tmp_path / "graph" / "dir"
    base = base if base.exists() else tmp_path / "graph"
    return [p.name for p in base.iterdir() if p.name != "l"]


ONE = tar(directory("etc"), Member("etc/passwd", b"root"))
TWO = tar(Member("two", b"22"), Member("etc/.wh.passwd"))


def add(layers: LayerStore, data: bytes, parent: str | None = None, hold: bool = True) -> str:
    return layers.register(io.BytesIO(data), parent, hold=hold).chain_id


def test_ids_are_digests_of_the_archive_and_its_parents(layers: LayerStore) -> None:
    one = layers.register(io.BytesIO(ONE), None)
    two = layers.register(io.BytesIO(TWO), one.chain_id)
    assert one.diff_id == one.chain_id == "sha256:" + hashlib.sha256(ONE).hexdigest()
    text = f"{one.chain_id} sha256:{hashlib.sha256(TWO).hexdigest()}"
    assert two.chain_id == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert chain_of([one.diff_id, two.diff_id]) == two.chain_id
    assert (one.size, two.size, layers.total_size(two.chain_id)) == (4, 2, 6)


def test_bytes_after_the_end_of_the_archive_count_for_its_id(layers: LayerStore) -> None:
    padded = ONE + bytes(10240)
    layer = layers.register(io.BytesIO(padded), None)
    assert layer.diff_id == "sha256:" + hashlib.sha256(padded).hexdigest()
    with layers.tar(layer.chain_id) as stream:
        assert stream.read() == padded


def test_the_very_archive_comes_back(layers: LayerStore) -> None:
    odd = tar(
        Member("z", b"z" * 3000), directory("a"), Member("a/b", b"", mtime=1.5), Member("y" * 140, b"y")
    )
    chain = add(layers, odd, add(layers, ONE))
    with layers.tar(chain) as stream:
        assert stream.read() == odd


def test_the_same_layer_twice_is_one_tree(layers: LayerStore, tmp_path: Path) -> None:
    assert add(layers, ONE) == add(layers, ONE)
    assert len(trees(tmp_path)) == 1


def test_a_refused_archive_leaves_nothing(layers: LayerStore, tmp_path: Path) -> None:
    for bad in (tar(Member("../x", b"")), ONE[:700], b"no tar at all" * 100):
        with pytest.raises(InvalidParameter):
            layers.register(io.BytesIO(bad), None)
    assert trees(tmp_path) == []
    assert layers.layers() == []


def test_released_layers_go_with_their_parents_unless_needed(layers: LayerStore, tmp_path: Path) -> None:
    one = add(layers, ONE)
    two = add(layers, TWO, one)
    three = add(layers, tar(Member("three")), two)
    assert layers.release(one) == []
    layers.create_rw("c", two)
    assert layers.release(two) == []
    assert layers.release(three) == [three]
    layers.remove_rw("c")
    assert layers.layers() == []
    assert trees(tmp_path) == []


def test_holds_are_counted(layers: LayerStore) -> None:
    one = add(layers, ONE)
    layers.hold(one)
    assert layers.release(one) == []
    assert layers.release(one) == [one]
    with pytest.raises(NotFound):
        layers.hold(one)


def test_a_container_sees_mount_targets_that_are_no_changes(layers: LayerStore) -> None:
    layers.create_rw("c", add(layers, ONE))
    root = layers.mount_rw("c")
    for name in ("etc/hosts", "etc/hostname", "etc/resolv.conf", "dev/console", ".dockerenv"):
        assert (root / name).is_file(), name
    for name in ("dev/pts", "dev/shm", "proc", "sys"):
        assert (root / name).is_dir(), name
    assert (root / "etc/passwd").read_text() == "root"
    assert layers.changes_rw("c") == []
    assert layers.size_rw("c") == 0
    layers.unmount_rw("c")


def test_the_init_layer_leaves_alone_what_the_image_has(layers: LayerStore) -> None:
    image = tar(
        directory("etc"),
        Member("etc/hosts", b"mine"),
        Member("etc/resolv.conf", type=b"2", linkname="/run/x"),
    )
    layers.create_rw("c", add(layers, image))
    root = layers.mount_rw("c")
    assert (root / "etc/hosts").read_text() == "mine"
    assert (root / "etc/resolv.conf").is_symlink()
    layers.unmount_rw("c")


def test_containers_of_one_image_share_an_init_layer(layers: LayerStore, tmp_path: Path) -> None:
    one = add(layers, ONE)
    for name in ("a", "b", "c"):
        layers.create_rw(name, one)
    assert len(trees(tmp_path)) == 1 + 1 + 3
    for name in ("a", "b", "c"):
        layers.remove_rw(name)
    layers.release(one)
    assert trees(tmp_path) == []


def test_a_container_without_an_image(layers: LayerStore) -> None:
    layers.create_rw("c", None)
    (layers.mount_rw("c") / "f").write_text("x")
    layers.unmount_rw("c")
    assert [(c.path, c.kind) for c in layers.changes_rw("c")] == [("/f", ChangeKind.ADDED)]
    layers.remove_rw("c")


@pytest.mark.parametrize("consume", [False, True])
def test_committing_makes_a_layer_of_the_changes_alone(layers: LayerStore, consume: bool) -> None:
    one = add(layers, ONE)
    layers.create_rw("c", one)
    root = layers.mount_rw("c")
    (root / "new").write_text("n" * 600)
    (root / "etc/passwd").unlink()
    layers.unmount_rw("c")
    layer = layers.commit_rw("c", consume=consume, hold=True)
    assert layer.parent == one
    assert layer.chain_id == chain_id(one, layer.diff_id)
    with layers.tar(layer.chain_id) as stream:
        assert hashlib.sha256(stream.read()).hexdigest() == layer.diff_id[7:]
    assert ("c" in layers.list_rw()) is not consume
    layers.create_rw("d", layer.chain_id)
    root = layers.mount_rw("d")
    assert (root / "new").read_text() == "n" * 600
    assert not (root / "etc/passwd").exists()
    layers.unmount_rw("d")
    layers.remove_rw("d")
    assert layer.size == 600


def test_committing_no_change_is_the_empty_layer(layers: LayerStore) -> None:
    layers.create_rw("c", add(layers, ONE))
    layers.unmount_rw("c") if layers.mount_rw("c") else None
    assert layers.commit_rw("c", consume=True).diff_id == EMPTY_DIFF_ID


def test_the_same_commit_twice_is_one_layer(layers: LayerStore, tmp_path: Path) -> None:
    one = add(layers, tar(directory("d"), Member("f", b"1")))
    found = []
    for name in ("a", "b"):
        layers.create_rw(name, one)
        (layers.mount_rw(name) / "f").unlink()
        layers.unmount_rw(name)
        found.append(layers.commit_rw(name, consume=True))
    assert found[0].chain_id == found[1].chain_id
    assert layers.list_rw() == []
    assert len(trees(tmp_path)) == 3  # the layer, the init layer, the commit


def test_export_is_the_whole_tree(layers: LayerStore) -> None:
    layers.create_rw("c", add(layers, ONE))
    with layers.export_rw("c") as stream:
        data = stream.read()
    assert b"etc/passwd" in data and b".dockerenv" in data


def test_a_second_rw_layer_of_one_container_is_a_conflict(layers: LayerStore) -> None:
    layers.create_rw("c", None)
    with pytest.raises(Conflict):
        layers.create_rw("c", None)
    with pytest.raises(NotFound):
        layers.mount_rw("other")
    with pytest.raises(NotFound):
        layers.create_rw("x", "sha256:" + "0" * 64)
    assert layers.list_rw() == ["c"]


def test_a_restart_finds_layers_and_containers_again(reopen: Opener) -> None:
    first = reopen()
    one = add(first, ONE)
    first.create_rw("c", one)
    (first.mount_rw("c") / "f").write_text("x")
    again = reopen()
    assert [layer.chain_id for layer in again.layers()] == [one]
    assert (again.mount_rw("c") / "f").read_text() == "x"
    again.collect_garbage()
    assert again.get(one)
    again.remove_rw("c")
    assert again.layers() == []


def test_a_crash_while_unpacking_is_undone_at_the_next_start(reopen: Opener, tmp_path: Path) -> None:
    class Pulled(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 512:
                raise KeyboardInterrupt
            return super().read(size)

    first = reopen()
    first._graph.remove = lambda cache_id: None  # type: ignore[method-assign]  # the process is gone
    try:
        first.register(Pulled(ONE), None)
    except KeyboardInterrupt:
        pass
    first._db.script(f"INSERT OR IGNORE INTO layer_trees_pending VALUES ('{trees(tmp_path)[0]}')")
    reopen()
    assert trees(tmp_path) == []


def test_a_rw_layer_written_down_but_never_made_is_forgotten(reopen: Opener) -> None:
    first = reopen()
    one = add(first, ONE)
    first._db.script(f"INSERT INTO rw_layers VALUES ('ghost', 'nowhere', '{one}')")
    again = reopen()
    assert again.list_rw() == []
    again.collect_garbage()
    assert again.layers() == []


def test_many_threads_at_once(layers: LayerStore) -> None:
    one = add(layers, ONE)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(5):
                name = f"c{number}-{turn}"
                layers.create_rw(name, one)
                (layers.mount_rw(name) / "f").write_text(str(number))
                layers.unmount_rw(name)
                layers.register(io.BytesIO(tar(Member(f"f{turn}", b"x"))), one)
                layers.remove_rw(name)
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert layers.list_rw() == []
    assert len(layers.layers()) == 6
