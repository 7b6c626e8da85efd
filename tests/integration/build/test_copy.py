"""ADD and COPY between directories: what arrives, as whose, and that nothing leads outside."""

import functools
import gzip
import hashlib
import http.server
import io
import os
import stat
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.build import copystep, remote, sources
from engine.build.context import dockerfile, receive
from engine.build.copystep import Taken
from engine.build.instructions import interpret_line
from engine.build.metadata import State
from engine.build.sources import Source
from engine.errdefs import InvalidParameter, SystemFailure, Unsupported

pytestmark = pytest.mark.root


@pytest.fixture
def context(tmp_path: Path) -> Path:
    root = tmp_path / "context"
    (root / "d/sub").mkdir(parents=True)
    (root / "d/sub/f").write_text("deep")
    (root / "d/a").write_text("a")
    (root / "d/run").write_text("#!/bin/sh\n")
    (root / "d/run").chmod(0o751)
    os.utime(root / "d/a", ns=(5 * 10**9, 5 * 10**9))
    (root / "d/link").symlink_to("a")
    (root / "d/hard").hardlink_to(root / "d/a")
    os.mkfifo(root / "d/pipe")
    os.setxattr(root / "d/run", "user.mark", b"yes")
    (root / "top").symlink_to("d/a")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0::/:\nbob:x:1000:1000::/:\n")
    (root / "etc/group").write_text("root:x:0:\nbob:x:1001:\nstaff:x:50:\n")
    (root / "bin").mkdir()
    return root


def do(line: str, context: Path, root: Path, **config: object) -> str:
    scratch = root.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    step = copystep.resolve(interpret_line(line), State(config=dict(config)), context, scratch, {})
    described = step.created_by()
    copystep.perform(step, root)
    return described


def test_a_tree_arrives_with_all_that_belongs_to_it(context: Path, root: Path) -> None:
    assert do("COPY d /new/dst", context, root).startswith("COPY dir:")
    copied = root / "new/dst"
    assert (copied / "sub/f").read_text() == "deep"
    assert os.readlink(copied / "link") == "a"
    assert stat.S_IMODE((copied / "run").stat().st_mode) == 0o751
    assert os.getxattr(copied / "run", "user.mark") == b"yes"
    assert (copied / "a").stat().st_mtime_ns == 5 * 10**9
    assert (copied / "a").stat().st_ino == (copied / "hard").stat().st_ino
    assert stat.S_ISFIFO((copied / "pipe").stat().st_mode)
    assert stat.S_IMODE((root / "new").stat().st_mode) == 0o755


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("COPY d/a /x", "x"),
        ("COPY d/a /bin", "bin/a"),
        ("COPY d/a /bin/", "bin/a"),
        ("COPY d/a x/", "work/x/a"),
        ("COPY d/a .", "work/a"),
        ("COPY top /l", "l"),
        ("COPY d/? /q/", "q/a"),
        ('COPY ["d/a", "/a b"]', "a b"),
        ("ADD d/a /added", "added"),
    ],
)
def test_where_a_file_goes(context: Path, root: Path, line: str, path: str) -> None:
    do(line, context, root, WorkingDir="/work")
    assert (root / path).read_text() == "a"
    assert not (root / path).is_symlink()


def test_owner_and_mode(context: Path, root: Path) -> None:
    do("COPY --chown=bob --chmod=700 d /x", context, root)
    assert ((root / "x/a").stat().st_uid, (root / "x/a").stat().st_gid) == (1000, 1001)
    assert stat.S_IMODE((root / "x/a").stat().st_mode) == 0o700
    do("COPY --chown=7:staff d/a /y", context, root)
    assert ((root / "y").stat().st_uid, (root / "y").stat().st_gid) == (7, 50)
    with pytest.raises(InvalidParameter, match="no such user: nobody"):
        do("COPY --chown=nobody d/a /z", context, root)
    with pytest.raises(InvalidParameter, match="Invalid chmod parameter"):
        do("COPY --chmod=u+x d/a /z", context, root)


def test_files_replace_files_and_merge_into_directories(context: Path, root: Path) -> None:
    (root / "t/sub").mkdir(parents=True)
    (root / "t/a").write_text("old")
    (root / "t/stays").write_text("stays")
    do("COPY d /t", context, root)
    assert sorted(os.listdir(root / "t")) == ["a", "hard", "link", "pipe", "run", "stays", "sub"]
    assert (root / "t/a").read_text() == "a"


def test_links_in_the_image_do_not_lead_out(context: Path, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "escape").symlink_to(outside)
    (root / "up").symlink_to("../../../../../../../tmp")
    do("COPY d/a /escape/x", context, root)
    do("COPY d/a /up/x", context, root)
    assert list(outside.iterdir()) == []
    assert (root / "tmp/x").read_text() == "a"
    (root / "file").symlink_to(outside / "f")
    do("COPY d/a /file", context, root)
    assert (root / str(outside)[1:] / "f").read_text() == "a"
    assert list(outside.iterdir()) == []
    (root / "loop").symlink_to("loop")
    with pytest.raises(InvalidParameter, match="too many links"):
        do("COPY d/a /loop/x", context, root)


def test_links_in_the_context_do_not_lead_out(context: Path, root: Path) -> None:
    (context / "passwd").symlink_to("/etc/passwd")
    (context / "up").symlink_to("../../../../../../../../etc")
    for source in ("passwd", "up/passwd", "pass*"):
        with pytest.raises(InvalidParameter, match="file not found in build context"):
            do(f"COPY {source} /x", context, root)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "COPY nofile /",
            "COPY failed: file not found in build context or excluded by .dockerignore: stat nofile",
        ),
        ("COPY ../x /", r"COPY failed: forbidden path outside the build context: \.\./x \(\)"),
        ("COPY no* /x/", "COPY failed: no source files were specified"),
        ("COPY d/a d/run /x", "the destination must be a directory and end with a /"),
        ("COPY d /etc/passwd", "cannot copy to non-directory: /etc/passwd"),
        ("COPY d/a /etc/passwd/x", "cannot copy to non-directory"),
    ],
)
def test_what_cannot_be_copied(context: Path, root: Path, line: str, words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        do(line, context, root)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real HTTP server of one directory."""
    served = tmp_path / "served"
    served.mkdir()
    (served / "tool.tar").write_bytes(archive())
    os.utime(served / "tool.tar", (10**9, 10**9))
    handler = functools.partial(QuietHandler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


async def test_a_url_is_fetched_and_not_unpacked(server: str, tmp_path: Path, root: Path) -> None:
    url = f"{server}/tool.tar?x=1"
    assert remote.is_remote(url)
    taken = Taken(tmp_path, (Source(await remote.fetch(url, tmp_path), "file"),))
    step = copystep.resolve(interpret_line(f"ADD {url} /to/"), State(config={}), root, tmp_path, {url: taken})
    copystep.perform(step, root)
    arrived = root / "to/tool.tar"
    assert arrived.read_bytes() == archive()
    assert stat.S_IMODE(arrived.stat().st_mode) == 0o600
    assert arrived.stat().st_mtime == 10**9


async def test_the_checksum_of_a_url_is_verified(server: str, tmp_path: Path) -> None:
    right = f"sha256:{hashlib.sha256(archive()).hexdigest()}"
    assert await remote.fetch(f"{server}/tool.tar", tmp_path, checksum=right) == "tool.tar"
    with pytest.raises(InvalidParameter, match="digest mismatch"):
        await remote.fetch(f"{server}/tool.tar", tmp_path, checksum=f"sha256:{'0' * 64}")
    with pytest.raises(InvalidParameter, match="invalid --checksum"):
        await remote.fetch(f"{server}/tool.tar", tmp_path, checksum="md5:1")


async def test_a_url_that_cannot_be_fetched(server: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"ADD failed: failed to GET .*/nosuch with status 404"):
        await remote.fetch(f"{server}/nosuch", tmp_path)
    with pytest.raises(InvalidParameter, match="cannot determine filename from url"):
        await remote.fetch(server, tmp_path)
    with pytest.raises(SystemFailure, match=r'ADD failed: Get "http://127\.0\.0\.1:1/x"'):
        await remote.fetch("http://127.0.0.1:1/x", tmp_path)
    with pytest.raises(Unsupported, match="only http and https"):
        remote.is_remote("git@example.com:x.git")


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, owner in (("in/f", 1234), ("g", 0)):
            info = tarfile.TarInfo(name)
            info.size, info.uid, info.mode = 2, owner, 0o640
            tar.addfile(info, io.BytesIO(b"ok"))
    return buffer.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_add_unpacks_archives_by_content(context: Path, root: Path, pack: type) -> None:
    (context / "odd.name").write_bytes(pack(archive()))
    do("ADD odd.name /to", context, root)
    assert (root / "to/in/f").read_text() == "ok"
    assert (root / "to/in/f").stat().st_uid == 1234
    do("COPY odd.name /copied", context, root)
    assert (root / "copied").is_file()


def test_add_copies_a_compressed_file_that_is_no_archive(context: Path, root: Path) -> None:
    (context / "log.gz").write_bytes(gzip.compress(b"x" * 2000))
    do("ADD log.gz /log.gz", context, root)
    assert gzip.decompress((root / "log.gz").read_bytes()) == b"x" * 2000


def test_excluded_paths_stay_behind(context: Path, root: Path) -> None:
    do("COPY --exclude=sub --exclude=*un d /x", context, root)
    assert sorted(os.listdir(root / "x")) == ["a", "hard", "link", "pipe"]


def test_the_digest_tells_content_and_mode_and_not_time(context: Path) -> None:
    def digest() -> str:
        return sources.digest(context, sources.find(context, ["d"], "COPY"))

    first = digest()
    os.utime(context / "d/a", ns=(1, 1))
    assert digest() == first
    (context / "d/run").chmod(0o755)
    second = digest()
    assert second != first
    (context / "d/sub/f").write_text("DEEP")
    third = digest()
    assert third != second
    (context / "d/sub/f").rename(context / "d/sub/g")
    assert digest() != third


def test_the_context_is_received_without_what_is_ignored(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        files = {
            "Dockerfile": "FROM a",
            ".dockerignore": "*.log\nDockerfile\nnode\n!node/keep",
            "x.log": "",
            "y": "",
        }
        for name, text in (files | {"node/a": "", "node/keep": ""}).items():
            info = tarfile.TarInfo(name)
            info.size, info.uid, info.mode = len(text), 4711, 0o644
            tar.addfile(info, io.BytesIO(text.encode()))
    root = tmp_path / "context"
    root.mkdir()
    receive(io.BytesIO(buffer.getvalue()), root)
    assert dockerfile(root, "") == "FROM a"
    found = sorted(str(p.relative_to(root)) for p in root.rglob("*"))
    assert found == [".dockerignore", "node", "node/keep", "y"]
    assert (root / "y").stat().st_uid == 0
    with pytest.raises(InvalidParameter, match="Cannot locate specified Dockerfile: other"):
        dockerfile(root, "other")
