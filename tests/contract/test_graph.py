"""What every graph driver must do (engine.driverapi.graph), and overlay2's own promises."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.driverapi.graph import Change, ChangeKind, GraphDriver, TreeAdopter
from engine.driverapi.registry import load
from engine.errdefs import Conflict, InvalidParameter, NotFound, Unsupported
from tests.unit.layer.archives import Member, directory, hardlink, symlink, tar

pytestmark = pytest.mark.root


def mounts_below(path: Path) -> list[str]:
    with open("/proc/self/mountinfo") as lines:
        return [line.split(" ")[4] for line in lines if line.split(" ")[4].startswith(f"{path}/")]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "graph"
    yield path
    for target in reversed(mounts_below(tmp_path)):
        subprocess.run(["umount", "-l", target], check=True)


@pytest.fixture(params=["overlay2", "vfs"])
def graph(request: pytest.FixtureRequest, root: Path) -> GraphDriver:
    return load("graph", request.param)(root, {})  # type: ignore[no-any-return]


@pytest.fixture
def overlay(root: Path) -> GraphDriver:
    return load("graph", "overlay2")(root, {})  # type: ignore[no-any-return]


def layer(graph: GraphDriver, cache_id: str, parent: str | None, *members: Member) -> int:
    graph.create(cache_id, parent)
    return graph.apply(cache_id, io.BytesIO(tar(*members)))


def tree(path: Path) -> dict[str, str]:
    """Every path below, with what it is."""
    found = {}
    for here, directories, files in os.walk(path):
        for name in directories + files:
            full = Path(here) / name
            status = full.lstat()
            if stat.S_ISREG(status.st_mode):
                found[str(full.relative_to(path))] = full.read_text()
            elif stat.S_ISLNK(status.st_mode):
                found[str(full.relative_to(path))] = "-> " + os.readlink(full)
            else:
                found[str(full.relative_to(path))] = stat.filemode(status.st_mode)[0]
    return found


def names(archive: bytes) -> list[str]:
    return [m.name for m in tarfile.open(fileobj=io.BytesIO(archive))]


BASE = (
    directory("etc"),
    Member("etc/passwd", b"root"),
    Member("etc/group", b"wheel"),
    directory("var"),
    directory("var/log"),
    Member("var/log/a", b"a"),
    symlink("run", "var"),
)


def test_a_layer_shows_what_was_applied(graph: GraphDriver) -> None:
    size = layer(graph, "base", None, *BASE)
    assert size == 13
    path = graph.mount("base")
    assert tree(path) == {
        "etc": "d", "etc/passwd": "root", "etc/group": "wheel",
        "var": "d", "var/log": "d", "var/log/a": "a", "run": "-> var",
    }  # fmt: skip
    graph.unmount("base")
    assert graph.size("base") == 13


def test_layers_stack_and_whiteouts_hide(graph: GraphDriver) -> None:
    layer(graph, "base", None, *BASE)
    layer(
        graph,
        "top",
        "base",
        Member("etc/.wh.passwd"),
        Member("var/log/.wh..wh..opq"),
        Member("var/log/b", b"b"),
    )
    graph.create("rw", "top")
    path = graph.mount("rw")
    assert tree(path) == {
        "etc": "d", "etc/group": "wheel", "var": "d", "var/log": "d", "var/log/b": "b", "run": "-> var",
    }  # fmt: skip
    graph.unmount("rw")


@pytest.mark.parametrize("first", ["whiteout", "directory"])
def test_a_directory_removed_and_made_anew_in_one_layer_is_empty_of_the_old(
    graph: GraphDriver, first: str
) -> None:
    layer(graph, "base", None, *BASE)
    members = [Member("var/.wh.log"), directory("var/log"), Member("var/log/new", b"n")]
    if first == "directory":
        members = [*members[1:], members[0]]
    layer(graph, "top", "base", *members)
    graph.create("rw", "top")
    path = graph.mount("rw")
    assert sorted(os.listdir(path / "var/log")) == ["new"]
    graph.unmount("rw")


def test_owners_modes_times_devices_and_xattrs_are_kept(graph: GraphDriver) -> None:
    capability = b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    layer(
        graph, "base", None,
        directory("d", mode=0o1777, uid=7, gid=8, mtime=111.5),
        Member("d/suid", b"x", mode=0o4755, uid=1000, gid=1001, mtime=222.25),
        Member("null", type=tarfile.CHRTYPE, mode=0o666, device=(1, 3)),
        Member("pipe", type=tarfile.FIFOTYPE, mode=0o620),
        hardlink("hard", "d/suid"),
        Member("cap", b"c", pax={"SCHILY.xattr.security.capability": capability.decode("latin-1"),
                                 "SCHILY.xattr.user.note": "n"}),
        symlink("l", "nowhere"),
    )  # fmt: skip
    graph.create("rw", "base")
    path = graph.mount("rw")
    suid, d = (path / "d/suid").stat(), (path / "d").stat()
    assert (stat.S_IMODE(suid.st_mode), suid.st_uid, suid.st_gid, suid.st_mtime) == (
        0o4755,
        1000,
        1001,
        222.25,
    )
    assert (stat.S_IMODE(d.st_mode), d.st_uid, d.st_gid, d.st_mtime) == (0o1777, 7, 8, 111.5)
    null = (path / "null").stat()
    assert (
        stat.S_ISCHR(null.st_mode)
        and null.st_rdev == os.makedev(1, 3)
        and stat.S_IMODE(null.st_mode) == 0o666
    )
    assert stat.S_ISFIFO((path / "pipe").stat().st_mode)
    assert (path / "hard").stat().st_ino == suid.st_ino
    assert os.getxattr(path / "cap", "user.note") == b"n"
    assert os.getxattr(path / "cap", "security.capability") == capability
    assert (path / "l").lstat().st_mtime == 1_000_000_000
    graph.unmount("rw")


def write(path: Path) -> None:
    """What a container might do to BASE."""
    (path / "new").write_text("hello")
    (path / "etc/passwd").write_text("root2")
    (path / "etc/group").unlink()
    (path / "var/log/a").unlink()
    (path / "var/log").rmdir()
    (path / "var/log").mkdir()
    (path / "var/log/c").write_text("c")


def test_changes_are_those_that_were_made(graph: GraphDriver) -> None:
    layer(graph, "base", None, *BASE)
    graph.create("rw", "base")
    assert graph.changes("rw", "base") == []
    write(graph.mount("rw"))
    found = {change.path: change.kind for change in graph.changes("rw", "base")}
    graph.unmount("rw")
    assert found == {
        "/etc": ChangeKind.MODIFIED,
        "/etc/group": ChangeKind.DELETED,
        "/etc/passwd": ChangeKind.MODIFIED,
        "/new": ChangeKind.ADDED,
        "/var": ChangeKind.MODIFIED,
        "/var/log": ChangeKind.MODIFIED,
        "/var/log/a": ChangeKind.DELETED,
        "/var/log/c": ChangeKind.ADDED,
    }


def test_changes_to_nothing_are_the_whole_tree(graph: GraphDriver) -> None:
    layer(graph, "base", None, *BASE)
    layer(graph, "top", "base", Member("x", b"x"))
    expected = {Change(f"/{name}", ChangeKind.ADDED) for name in
                ("etc", "etc/passwd", "etc/group", "var", "var/log", "var/log/a", "run", "x")}  # fmt: skip
    assert set(graph.changes("top", None)) == expected


def test_a_diff_applied_elsewhere_gives_the_same_tree(graph: GraphDriver) -> None:
    layer(graph, "base", None, *BASE)
    graph.create("rw", "base")
    path = graph.mount("rw")
    write(path)
    os.symlink("x" * 150, path / ("long" * 40))
    os.link(path / "new", path / "hard")
    os.mknod(path / "zero", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    expected = tree(path)
    with graph.diff("rw", "base") as stream:
        archive = stream.read()
    graph.unmount("rw")
    graph.create("copy", "base")
    graph.apply("copy", io.BytesIO(archive))
    graph.create("look", "copy")
    copy = graph.mount("look")
    assert tree(copy) == expected
    assert (copy / "hard").stat().st_ino == (copy / "new").stat().st_ino
    graph.unmount("look")
    with graph.diff("copy", "base") as again:
        assert sorted(names(again.read())) == sorted(names(archive))


def test_a_diff_to_any_other_tree_is_found_by_comparison(graph: GraphDriver) -> None:
    layer(graph, "base", None, *BASE)
    layer(graph, "middle", "base", Member("m", b"m"))
    layer(graph, "top", "middle", Member("etc/.wh.passwd"), Member("t", b"t"))
    with graph.diff("top", "base") as stream:
        assert sorted(names(stream.read())) == ["etc", "etc/.wh.passwd", "m", "t"]
    with graph.diff("top", None) as stream:
        assert sorted(names(stream.read())) == [
            "etc",
            "etc/group",
            "m",
            "run",
            "t",
            "var",
            "var/log",
            "var/log/a",
        ]
    assert graph.mount("base").is_dir()
    graph.unmount("base")


def test_what_is_written_stays_after_unmounting(graph: GraphDriver) -> None:
    layer(graph, "base", None, *BASE)
    graph.create("rw", "base")
    (graph.mount("rw") / "f").write_text("kept")
    graph.unmount("rw")
    assert (graph.mount("rw") / "f").read_text() == "kept"
    graph.unmount("rw")
    assert graph.size("rw") == 4
    base = graph.mount("base")
    assert not (base / "f").exists()
    graph.unmount("base")


def test_mounts_are_counted(graph: GraphDriver) -> None:
    layer(graph, "base", None, *BASE)
    graph.create("rw", "base")
    path = graph.mount("rw")
    assert graph.mount("rw") == path
    graph.unmount("rw")
    assert (path / "etc/passwd").exists()
    graph.unmount("rw")
    graph.unmount("rw")


def test_a_mounted_tree_can_be_removed_and_removal_repeated(graph: GraphDriver, root: Path) -> None:
    layer(graph, "base", None, *BASE)
    graph.create("rw", "base")
    path = graph.mount("rw")
    with open(path / "busy", "w"):
        graph.remove("rw")
    assert not graph.exists("rw")
    graph.remove("rw")
    assert mounts_below(root) == []
    assert graph.exists("base")


def test_a_restarted_driver_drops_half_made_trees_and_knows_mounts(graph: GraphDriver, root: Path) -> None:
    layer(graph, "base", None, *BASE)
    graph.create("rw", "base")
    (graph.mount("rw") / "f").write_text("x")
    trees = root / "dir" if graph.name == "vfs" else root
    for leftover in ("new-half", "removing-half"):
        (trees / leftover / "diff").mkdir(parents=True)
    again = type(graph)(root, {})  # type: ignore[call-arg]
    again.recover()
    assert sorted(p.name for p in trees.iterdir() if p.name != "l") == ["base", "rw"]
    assert (again.mount("rw") / "f").read_text() == "x"
    assert len(mounts_below(root)) == (graph.name == "overlay2")
    again.unmount("rw")
    assert mounts_below(root) == []


def test_a_mount_left_by_an_earlier_daemon_can_be_undone_without_taking_it_over(
    graph: GraphDriver, root: Path
) -> None:
    layer(graph, "base", None, *BASE)
    graph.create("rw", "base")
    graph.mount("rw")
    again = type(graph)(root, {})  # type: ignore[call-arg]
    again.recover()
    again.unmount("rw")
    assert mounts_below(root) == []
    again.unmount("rw")


def test_unknown_and_taken_names(graph: GraphDriver) -> None:
    layer(graph, "base", None, *BASE)
    with pytest.raises(Conflict):
        graph.create("base", None)
    with pytest.raises(NotFound):
        graph.create("x", "nowhere")
    with pytest.raises(NotFound):
        graph.mount("nowhere")
    assert not graph.exists("x")


def test_an_archive_that_leads_outside_is_refused(graph: GraphDriver, tmp_path: Path) -> None:
    graph.create("base", None)
    with pytest.raises(InvalidParameter):
        graph.apply("base", io.BytesIO(tar(Member("../../../escaped", b"x"))))
    assert not list(tmp_path.rglob("escaped"))


def test_the_root_directory_has_its_layers_owner_and_mode(graph: GraphDriver) -> None:
    layer(graph, "base", None, directory("./", mode=0o700, uid=5), Member("f", b""))
    graph.create("rw", "base")
    status = graph.mount("rw").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o700, 5)
    graph.unmount("rw")


def test_adopting_makes_a_layer_without_copying(overlay: GraphDriver) -> None:
    assert isinstance(overlay, TreeAdopter)
    layer(overlay, "base", None, *BASE)
    layer(overlay, "init", "base", Member("init-only", b""))
    overlay.create("rw", "init")
    (overlay.mount("rw") / "f").write_text("x")
    overlay.adopt("done", "base", "rw")
    assert not overlay.exists("rw")
    overlay.create("look", "done")
    path = overlay.mount("look")
    assert (path / "f").read_text() == "x"
    assert not (path / "init-only").exists()
    overlay.unmount("look")


def test_overlay_mounts_more_layers_than_a_page_has_room_for(overlay: GraphDriver) -> None:
    parent: str | None = None
    for number in range(124):
        cache_id = f"{number:064x}"
        layer(overlay, cache_id, parent, Member(f"f{number}", str(number).encode()))
        parent = cache_id
    overlay.create("rw", parent)
    path = overlay.mount("rw")
    assert len(os.listdir(path)) == 124
    (path / "w").write_text("w")
    assert [c.path for c in overlay.changes("rw", parent)] == ["/w"]
    overlay.unmount("rw")


def test_overlay_refuses_more_layers_than_docker(overlay: GraphDriver) -> None:
    parent: str | None = None
    with pytest.raises(Unsupported, match="128 layers"):
        for number in range(200):
            overlay.create(f"t{number}", parent)
            parent = f"t{number}"


def test_overlay_layers_may_not_steer_overlayfs(overlay: GraphDriver, root: Path) -> None:
    layer(overlay, "base", None, *BASE)
    layer(overlay, "top", "base", directory("etc", pax={"SCHILY.xattr.trusted.overlay.redirect": "/var"}))
    assert not [n for n in os.listxattr(root / "top/diff/etc") if n.startswith("trusted.overlay")]
