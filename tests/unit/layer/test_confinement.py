"""Nothing an archive says leads outside of the directory it is unpacked into."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errdefs import DockyardError, InvalidParameter
from engine.layer.confine import normalise
from engine.layer.unpack import UnpackOptions, Whiteouts, unpack
from tests.unit.layer.archives import Member, directory, hardlink, symlink, tar

MINE = (os.getuid(), os.getgid())


def extract(root: Path, *members: Member, whiteouts: Whiteouts = Whiteouts.KEEP, below: str = "") -> int:
    options = UnpackOptions(whiteouts=whiteouts, owner=MINE)
    return unpack(io.BytesIO(tar(*members)), root, options, below=below)


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "victim").write_text("intact")
    return root, outside


@pytest.mark.parametrize("name", ["../outside/x", "a/../../outside/x", "..", "/../x", "a/b/../../../x"])
def test_names_that_climb_out_are_refused(places: tuple[Path, Path], name: str) -> None:
    root, outside = places
    with pytest.raises(InvalidParameter, match="outside of the root"):
        extract(root, Member(name, b"x"))
    assert sorted(os.listdir(outside)) == ["victim"]


def test_absolute_names_land_inside(places: tuple[Path, Path]) -> None:
    root, _ = places
    extract(root, Member("/etc/x", b"1"))
    assert (root / "etc/x").read_bytes() == b"1"


@pytest.mark.parametrize("target", ["{outside}", "../outside", "../../../../../../../../{outside}"])
def test_writing_through_a_planted_link_stays_inside(places: tuple[Path, Path], target: str) -> None:
    root, outside = places
    link = symlink("door", target.format(outside=outside))
    with pytest.raises(InvalidParameter):  # inside the root there is no such directory
        extract(root, link, Member("door/victim", b"overwritten"))
    assert (outside / "victim").read_text() == "intact"


def test_a_link_to_a_directory_inside_is_followed_as_in_a_root(places: tuple[Path, Path]) -> None:
    root, _ = places
    extract(root, directory("usr/lib"), symlink("lib", "/usr/lib"), Member("lib/x", b"1"))
    assert (root / "usr/lib/x").read_bytes() == b"1"
    assert (root / "lib").is_symlink()


def test_a_file_replaces_a_link_and_is_not_written_through_it(places: tuple[Path, Path]) -> None:
    root, outside = places
    extract(root, symlink("x", str(outside / "victim")), Member("x", b"new"))
    assert (outside / "victim").read_text() == "intact"
    assert (root / "x").read_bytes() == b"new"


@pytest.mark.parametrize("target", ["../outside/victim", "{outside}/victim"])
def test_hard_links_reach_nothing_outside(places: tuple[Path, Path], target: str) -> None:
    root, outside = places
    with pytest.raises(InvalidParameter):
        extract(root, hardlink("stolen", target.format(outside=outside)))
    assert (outside / "victim").stat().st_nlink == 1


def test_a_hard_link_through_a_planted_link_reaches_nothing_outside(places: tuple[Path, Path]) -> None:
    root, outside = places
    with pytest.raises(InvalidParameter):
        extract(root, symlink("door", str(outside)), hardlink("stolen", "door/victim"))
    assert (outside / "victim").stat().st_nlink == 1


@pytest.mark.parametrize("whiteouts", [Whiteouts.REMOVE])
def test_whiteouts_delete_nothing_outside(places: tuple[Path, Path], whiteouts: Whiteouts) -> None:
    root, outside = places
    for members in (
        [symlink("door", str(outside)), Member("door/.wh.victim")],
        [symlink("door", "../outside"), Member("door/.wh..wh..opq")],
        [Member("../outside/.wh.victim")],
        [Member(".wh..")],
        [Member(".wh...")],
    ):
        try:
            extract(root, *members, whiteouts=whiteouts)
        except InvalidParameter:
            pass
        assert (outside / "victim").read_text() == "intact"
        assert root.is_dir()


def test_directory_times_do_not_reach_through_a_link(places: tuple[Path, Path]) -> None:
    root, outside = places
    before = outside.stat().st_mtime_ns
    extract(
        root,
        directory("d", mtime=5),
        symlink("d2", "x"),
        Member("d", b"", type=tarfile.SYMTYPE, linkname=str(outside)),
    )
    assert outside.stat().st_mtime_ns == before


def test_entries_below_a_directory_of_the_root(places: tuple[Path, Path]) -> None:
    root, outside = places
    (root / "in").symlink_to("/srv")
    (root / "srv").mkdir()
    extract(root, Member("f", b"1"), hardlink("g", "f"), below="in")
    assert sorted(os.listdir(root / "srv")) == ["f", "g"]
    with pytest.raises(InvalidParameter):
        extract(root, Member("../../outside/f", b"1"), below="in")
    assert sorted(os.listdir(outside)) == ["victim"]


def test_keep_kind_refuses_to_change_what_a_name_is(places: tuple[Path, Path]) -> None:
    root, _ = places
    (root / "d").mkdir()
    (root / "f").touch()
    options = UnpackOptions(owner=MINE, keep_kind=True)
    with pytest.raises(InvalidParameter, match="cannot overwrite directory"):
        unpack(io.BytesIO(tar(Member("d", b"x"))), root, options)
    with pytest.raises(InvalidParameter, match="cannot overwrite non-directory"):
        unpack(io.BytesIO(tar(directory("f"))), root, options)


names = st.sampled_from(["a", "b", "..", ".", "", ".wh.a", ".wh..wh..opq", "outside", "victim", "c" * 40])
paths = (
    st.lists(names, min_size=1, max_size=5)
    .map("/".join)
    .flatmap(lambda p: st.sampled_from([p, "/" + p, p + "/"]))
)
kinds = st.sampled_from(
    [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]
)
members = st.builds(
    Member,
    name=paths,
    data=st.just(b""),
    type=kinds,
    mode=st.integers(0o700, 0o777),
    linkname=paths,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(members, min_size=1, max_size=12), st.sampled_from([Whiteouts.KEEP, Whiteouts.REMOVE]))
def test_no_sequence_of_entries_touches_the_outside(
    tmp_path_factory: pytest.TempPathFactory, sequence: list[Member], whiteouts: Whiteouts
) -> None:
    top = tmp_path_factory.mktemp("case")
    root, outside = top / "root", top / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "victim").write_text("intact")
    before = (outside.stat().st_mtime_ns, (outside / "victim").stat())
    try:
        extract(root, *sequence, whiteouts=whiteouts)
    except DockyardError:
        pass
    after = (outside.stat().st_mtime_ns, (outside / "victim").stat())
    assert before[0] == after[0]
    assert (before[1].st_nlink, before[1].st_mtime_ns, before[1].st_mode) == (
        after[1].st_nlink, after[1].st_mtime_ns, after[1].st_mode,
    )  # fmt: skip
    assert sorted(os.listdir(top)) == ["outside", "root"]


@given(st.text(max_size=40))
def test_normalised_paths_have_no_way_up(text: str) -> None:
    try:
        path = normalise(text)
    except InvalidParameter:
        return
    assert not path.startswith("/")
    assert ".." not in path.split("/")
