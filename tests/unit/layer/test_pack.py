import io
import os
import tarfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.layer.pack import TRAILER, PackOptions, pack, raw_header


def members(tree: Path, **options: object) -> list[tarfile.TarInfo]:
    with pack(tree, PackOptions(**options)) as stream:  # type: ignore[arg-type]
        return read(stream.read())


def read(archive: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as found:
        return found.getmembers()


def test_an_empty_tree_is_the_empty_archive(tmp_path: Path) -> None:
    with pack(tmp_path) as stream:
        assert stream.read() == bytes(1024)


def test_entries_are_sorted_and_links_kept(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir(mode=0o750)
    (tmp_path / "b/z").write_bytes(b"123")
    (tmp_path / "a").symlink_to("b/z")
    os.link(tmp_path / "b/z", tmp_path / "hard")
    os.utime(tmp_path / "b/z", (5, 7.9))
    found = members(tmp_path)
    assert [(m.name, m.type) for m in found] == [
        ("a", tarfile.SYMTYPE), ("b", tarfile.DIRTYPE), ("b/z", tarfile.REGTYPE), ("hard", tarfile.LNKTYPE),
    ]  # fmt: skip
    assert found[1].mode == 0o750
    assert found[2].mtime == 7
    assert found[3].linkname == "b/z"


def test_the_same_tree_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("z", "a", "m"):
        (tmp_path / name).write_text(name * 1000)
    with pack(tmp_path) as one, pack(tmp_path) as other:
        assert one.read() == other.read()


def test_user_xattrs_travel(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    os.setxattr(tmp_path / "f", "user.note", b"\xff\x00=1\n")
    (found,) = members(tmp_path)
    value = found.pax_headers["SCHILY.xattr.user.note"]
    assert value.encode("utf-8", "surrogateescape") == b"\xff\x00=1\n"


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("s")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "out").symlink_to(tmp_path / "secret")
    assert [m.name for m in members(tree)] == ["out"]


def test_prefix_and_root_entry(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    assert [m.name for m in members(tmp_path, prefix="data", root_entry=True)] == ["data", "data/f"]


names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=60)


@settings(max_examples=200)
@given(
    st.lists(names, min_size=1, max_size=8).filter(lambda parts: not {".", ".."} & set(parts)),
    st.integers(0, 2**32 - 2),
    st.integers(0, 2**36),
    st.integers(-(2**33), 2**40),
)
def test_headers_are_read_back_by_another_reader(parts: list[str], uid: int, size: int, mtime: int) -> None:
    name = "/".join(parts)
    block = raw_header(name, "0", mode=0o4755, uid=uid, gid=uid, size=0, mtime=mtime)
    big = raw_header(name, "0", size=size)
    (info,) = read(block + TRAILER)
    assert (info.name, info.uid, info.gid, info.mtime, info.mode) == (
        name.rstrip("/"),
        uid,
        uid,
        mtime,
        0o4755,
    )
    with tarfile.open(fileobj=io.BytesIO(big + TRAILER)) as archive:
        first = archive.next()
    assert first is not None
    assert first.size == size
