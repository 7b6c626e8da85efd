"""docker cp, diff and export."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.harness.engines import Docker, TestEngine

pytestmark = pytest.mark.root

SETUP = "mkdir -p /d/e; echo hi > /d/f; ln -s /d /link; ln -s d/f /rel; ln -s /../../../../etc/shadow /esc"


@pytest.fixture(params=["running", "stopped"])
def box(request: pytest.FixtureRequest, docker: Docker) -> str:
    """A container with some files and a volume."""
    docker("run", "-d", "--name", "box", "-v", "/vol", "busybox", "sh", "-c",
           f"{SETUP}; echo v > /vol/f; touch /ready; sleep 1000")  # fmt: skip
    while docker.try_("exec", "box", "test", "-f", "/ready").returncode:
        pass
    if request.param == "stopped":
        docker("stop", "-t", "0", "box")
    return "box"


def tree(path: Path) -> list[str]:
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))


def test_out_of_a_container(docker: Docker, box: str, tmp_path: Path) -> None:
    docker("cp", f"{box}:/d", str(tmp_path / "a"))
    assert tree(tmp_path / "a") == ["e", "f"]
    (tmp_path / "b").mkdir()
    docker("cp", f"{box}:/d", str(tmp_path / "b"))
    assert tree(tmp_path / "b") == ["d", "d/e", "d/f"]
    docker("cp", f"{box}:/d/.", str(tmp_path / "c"))
    assert tree(tmp_path / "c") == ["e", "f"]
    docker("cp", f"{box}:/link/f", str(tmp_path / "f"))
    assert (tmp_path / "f").read_text() == "hi\n"
    docker("cp", f"{box}:/rel", str(tmp_path / "rel"))
    assert os.readlink(tmp_path / "rel") == "d/f"
    docker("cp", "-L", f"{box}:/rel", str(tmp_path / "followed"))
    assert (tmp_path / "followed").read_text() == "hi\n"
    docker("cp", f"{box}:/vol/f", str(tmp_path / "v"))
    assert (tmp_path / "v").read_text() == "v\n"


def test_into_a_container(docker: Docker, box: str, tmp_path: Path) -> None:
    source = tmp_path / "up"
    source.write_text("data\n")
    (tmp_path / "dir" / "deep").mkdir(parents=True)
    (tmp_path / "dir" / "deep" / "g").write_text("deep\n")
    docker("cp", str(source), f"{box}:/vol/")
    docker("cp", str(source), f"{box}:/new")
    docker("cp", str(source), f"{box}:/link/")
    docker("cp", str(tmp_path / "dir"), f"{box}:/d/")
    docker("start", box)
    shown = docker("exec", box, "cat", "/vol/up", "/new", "/d/up", "/d/dir/deep/g")
    assert shown == "data\ndata\ndata\ndeep"


def test_what_can_not_be_copied(docker: Docker, box: str, tmp_path: Path) -> None:
    done = docker.try_("cp", f"{box}:/nope", str(tmp_path))
    assert f"Could not find the file /nope in container {box}" in done.stderr
    (tmp_path / "x").write_text("x")
    done = docker.try_("cp", str(tmp_path / "x"), f"{box}:/no/dir/x")
    assert done.returncode == 1
    done = docker.try_("cp", str(tmp_path / "x"), f"{box}:/d/f/")
    assert done.returncode == 1


def test_a_link_does_not_lead_out_of_the_container(docker: Docker, box: str, tmp_path: Path) -> None:
    done = docker.try_("cp", "-L", f"{box}:/esc", str(tmp_path / "stolen"))
    assert done.returncode == 1
    assert not (tmp_path / "stolen").exists()
    outside = tmp_path / "outside"
    outside.mkdir()
    evil = io.BytesIO()
    with tarfile.open(fileobj=evil, mode="w") as tar:
        link = tarfile.TarInfo("out")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        tar.addfile(link)
        info = tarfile.TarInfo("out/planted")
        tar.addfile(info, io.BytesIO())
        climbing = tarfile.TarInfo("../../../../../../../../tmp/dockyard-climbed")
        tar.addfile(climbing, io.BytesIO())
    docker.try_("cp", "-", f"{box}:/d", input=evil.getvalue())
    assert list(outside.iterdir()) == []
    assert not Path("/tmp/dockyard-climbed").exists()


def test_owners_and_modes_are_kept(docker: Docker, tmp_path: Path) -> None:
    docker("run", "-d", "--name", "box", "busybox", "sleep", "1000")
    source = tmp_path / "run.sh"
    source.write_text("echo ran\n")
    os.chown(source, 1000, 2000)
    source.chmod(0o4751)
    docker("cp", "-a", str(source), "box:/tmp/")
    assert docker("exec", "box", "stat", "-c", "%u:%g %a", "/tmp/run.sh") == "1000:2000 4751"
    docker("exec", "box", "chown", "7:8", "/tmp/run.sh")
    out, _ = docker.popen("cp", "box:/tmp/run.sh", "-", stdout=subprocess.PIPE).communicate(timeout=60)
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        (member,) = tar.getmembers()
    assert (member.name, member.uid, member.gid, member.mode) == ("run.sh", 7, 8, 0o751)


def test_read_only_places_refuse(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    docker("run", "-d", "--name", "box", "--read-only", "-v", "/rw", "-v", f"{tmp_path}:/ro:ro", "busybox",
           "sleep", "1000")  # fmt: skip
    assert (
        "container rootfs is marked read-only" in docker.try_("cp", str(tmp_path / "x"), "box:/tmp/").stderr
    )
    assert "marked read-only" in docker.try_("cp", str(tmp_path / "x"), "box:/ro/").stderr
    docker("cp", str(tmp_path / "x"), "box:/rw/")
    assert docker("exec", "box", "cat", "/rw/x") == "x"


def test_diff_and_export(docker: Docker, shared_engine: TestEngine) -> None:
    docker("run", "--name", "box", "-v", "/vol", "busybox", "sh", "-c",
           "echo new > /added; rm /bin/vi; echo x >> /etc/passwd; echo v > /vol/f")  # fmt: skip
    changes = set(docker("diff", "box").splitlines())
    assert {"A /added", "D /bin/vi", "C /etc/passwd", "C /etc", "C /bin"} <= changes
    assert not any("hosts" in change or "resolv" in change for change in changes)
    exported = docker.popen("export", "box", stdout=subprocess.PIPE)
    out, _ = exported.communicate(timeout=60)
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        names = tar.getnames()
    assert "added" in names
    assert "bin/busybox" in names
    assert "bin/vi" not in names
    assert "vol/f" not in names
