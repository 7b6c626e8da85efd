import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errdefs import DockyardError, InvalidParameter, Unsupported
from engine.layer.tarread import Entry, TarReader
from tests.unit.layer.archives import Member, directory, hardlink, symlink, tar


def entries(data: bytes) -> list[tuple[Entry, bytes]]:
    reader = TarReader(io.BytesIO(data))
    return [(entry, b"".join(iter(reader.read, b""))) for entry in reader]


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_all_formats_give_the_same_entries(format: int) -> None:
    data = tar(
        directory("etc/"),
        Member("etc/passwd", b"root", mode=0o600, uid=12, gid=34),
        symlink("etc/link", "passwd"),
        hardlink("etc/hard", "etc/passwd"),
        format=format,
    )
    found = entries(data)
    assert [(e.name.rstrip("/"), e.type) for e, _ in found] == [
        ("etc", "5"), ("etc/passwd", "0"), ("etc/link", "2"), ("etc/hard", "1"),
    ]  # fmt: skip
    passwd, content = found[1]
    assert (content, passwd.mode, passwd.uid, passwd.gid) == (b"root", 0o600, 12, 34)
    assert passwd.mtime == 1_000_000_000 * 10**9


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_targets(format: int) -> None:
    name, target = "d/" * 100 + "file", "t/" * 120 + "x"
    found = entries(tar(Member(name, b"1"), symlink("l", target), format=format))
    assert [found[0][0].name, found[1][0].linkname] == [name, target]


def test_pax_gives_fractions_of_seconds_large_ids_and_binary_xattrs() -> None:
    value = b"\x01\x00\x00\x02\xff=\n".decode("utf-8", "surrogateescape")
    data = tar(Member("f", b"x", uid=3_000_000, mtime=1.25, pax={"SCHILY.xattr.security.capability": value}))
    ((entry, _),) = entries(data)
    assert entry.uid == 3_000_000
    assert entry.mtime == 1_250_000_000
    assert entry.xattrs == {"security.capability": b"\x01\x00\x00\x02\xff=\n"}


def test_size_of_a_hard_link_is_not_content() -> None:
    data = bytearray(
        tar(Member("a", b"abc"), hardlink("b", "a"), Member("c", b"z"), format=tarfile.USTAR_FORMAT)
    )
    at = 1024
    data[at + 124 : at + 136] = b"00000000003\0"
    data[at + 148 : at + 156] = b"        "
    data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    assert [e.name for e, _ in entries(bytes(data))] == ["a", "b", "c"]


@pytest.mark.parametrize("cut", [100, 511, 513, 700, 1024, 1600])
def test_a_cut_archive_is_an_error(cut: int) -> None:
    data = tar(Member("a", b"x" * 600), Member("b", b"y" * 600), format=tarfile.USTAR_FORMAT)
    if cut % 512 == 0 and cut in (0, 1536):
        pytest.skip("that is where an entry ends")
    with pytest.raises(InvalidParameter):
        entries(data[:cut])


def test_a_damaged_header_in_the_middle_is_an_error() -> None:
    data = bytearray(tar(Member("a", b"x"), Member("b", b"y"), format=tarfile.USTAR_FORMAT))
    data[1024 + 5] ^= 0xFF
    with pytest.raises(InvalidParameter, match="checksum"):
        entries(bytes(data))


def test_something_else_than_a_tar_is_an_error() -> None:
    with pytest.raises(InvalidParameter):
        entries(b"<html>" + b"x" * 2000)


def test_sparse_files_are_refused_with_advice() -> None:
    data = bytearray(tar(Member("a", b"x"), format=tarfile.GNU_FORMAT))
    data[156:157] = b"S"
    data[148:156] = b"        "
    data[148:156] = b"%06o\0 " % sum(data[:512])
    with pytest.raises(Unsupported, match="sparse"):
        entries(bytes(data))


@pytest.mark.parametrize(
    "record", [b"30 path=short\n", b"abc path=x\n", b"9 path=xx", b"13 path=a\0bc\n", b"12 size=9x9\n"]
)
def test_malformed_pax_records_are_errors(record: bytes) -> None:
    head = bytearray(tar(Member("p", record), format=tarfile.USTAR_FORMAT))
    head[156:157] = b"x"
    head[148:156] = b"        "
    head[148:156] = b"%06o\0 " % sum(head[:512])
    rest = tar(Member("f", b"1"), format=tarfile.USTAR_FORMAT)
    with pytest.raises(InvalidParameter):
        entries(bytes(head[:1024]) + rest)


@given(st.binary(max_size=4096))
def test_noise_never_gives_anything_but_our_errors(noise: bytes) -> None:
    try:
        entries(noise)
    except DockyardError:
        pass


@given(st.data())
def test_flipped_bytes_never_give_anything_but_our_errors(data: st.DataObject) -> None:
    archive = bytearray(
        tar(directory("d"), Member("d/f" + "x" * 120, b"hello" * 200, pax={"a": "b"}), symlink("l", "d"))
    )
    for _ in range(data.draw(st.integers(1, 8))):
        archive[data.draw(st.integers(0, 6000))] = data.draw(st.integers(0, 255))
    try:
        entries(bytes(archive))
    except DockyardError:
        pass
