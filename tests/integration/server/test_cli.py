"""The real docker CLI and docker-py: system, events, images, volumes."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import APIError, NotFound

from tests.harness.engines import TestEngine, busybox_tar

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def client(shared_engine: TestEngine) -> Iterator[docker.DockerClient]:
    """docker-py on the module's engine."""
    client = docker.DockerClient(base_url=shared_engine.socket, timeout=30)
    yield client
    client.close()


def test_version_and_info(shared_engine: TestEngine, client: docker.DockerClient) -> None:
    version = json.loads(shared_engine.docker("version", "--format", "{{json .}}"))
    assert version["Server"]["ApiVersion"] == "1.50"
    assert version["Server"]["MinAPIVersion"] == "1.24"
    info = json.loads(shared_engine.docker("info", "--format", "{{json .}}"))
    assert info["Driver"] == "overlay2"
    assert info["Swarm"]["LocalNodeState"] == "inactive"
    assert info["Images"] == 1
    assert "ServerErrors" not in info
    assert client.ping()
    assert client.version()["Os"] == "linux"
    shared_engine.docker("info")


def test_events_are_replayed_and_filtered(shared_engine: TestEngine, client: docker.DockerClient) -> None:
    since = time.time()
    shared_engine.docker("volume", "create", "watched")
    shared_engine.docker("volume", "rm", "watched")
    shared_engine.docker("tag", "busybox", "watched:1")
    shared_engine.docker("rmi", "watched:1")
    window = ("--since", f"{since:.6f}", "--until", f"{time.time():.6f}", "--format", "{{.Type}} {{.Action}}")
    assert shared_engine.docker("events", *window).splitlines() == [
        "volume create", "volume destroy", "image tag", "image untag",
    ]  # fmt: skip
    assert shared_engine.docker("events", *window, "--filter", "event=destroy") == "volume destroy"
    assert shared_engine.docker("events", *window, "--filter", "volume=other") == ""
    assert shared_engine.docker.try_("events", *window, "--filter", "nope=1").returncode == 1
    events = list(client.events(since=since, until=time.time(), decode=True, filters={"type": "image"}))
    assert [event["status"] for event in events] == ["tag", "untag"]


def test_events_come_live(shared_engine: TestEngine) -> None:
    process = shared_engine.docker.popen(
        "events", "--format", "{{.Actor.ID}} {{.Action}}", "--filter", "type=volume", stdout=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 20
        while shared_engine.docker("info", "--format", "{{.NEventsListener}}") != "1":
            assert time.monotonic() < deadline
        shared_engine.docker("volume", "create", "live")
        assert process.stdout is not None
        assert process.stdout.readline() == b"live create\n"
        shared_engine.docker("volume", "rm", "live")
        assert process.stdout.readline() == b"live destroy\n"
    finally:
        process.kill()
        process.communicate()
    deadline = time.monotonic() + 20
    while shared_engine.docker("info", "--format", "{{.NEventsListener}}") != "0":
        assert time.monotonic() < deadline, "a listener that left is still counted"


def test_import_tag_history_and_removal(shared_engine: TestEngine) -> None:
    cli = shared_engine.docker
    image_id = cli(
        "import", "-m", "from a test", "-c", 'CMD ["ls"]', "-c", "ENV A=b", "-", "made:1", input=busybox_tar()
    )
    assert image_id.startswith("sha256:")
    found = cli.inspect("made:1")
    assert found["Id"] == image_id
    assert found["Config"]["Cmd"] == ["ls"]
    assert found["Config"]["Env"] == ["A=b"]
    assert found["Comment"] == "from a test"
    cli("tag", "made:1", "reg.example:5000/team/made:2")
    assert set(cli.inspect(image_id)["RepoTags"]) == {"made:1", "reg.example:5000/team/made:2"}
    assert cli.inspect("reg.example:5000/team/made:2")["Id"] == image_id
    assert "from a test" in cli("history", "made:1")
    out = cli("rmi", "made:1", "reg.example:5000/team/made:2")
    assert "Untagged: made:1" in out
    assert f"Deleted: {image_id}" in out
    missing = cli.try_("rmi", "made:1")
    assert missing.returncode == 1
    assert "No such image: made:1" in missing.stderr
    assert cli.try_("tag", "made:1", "x").returncode == 1


def test_a_broken_archive_makes_no_image(shared_engine: TestEngine) -> None:
    before = shared_engine.docker("images", "-aq")
    done = shared_engine.docker.try_("import", "-", "broken", input=busybox_tar()[:50_000])
    assert done.returncode == 1
    assert shared_engine.docker("images", "-aq") == before


def test_save_and_load(shared_engine: TestEngine, tmp_path: Path) -> None:
    cli = shared_engine.docker
    cli("import", "-c", "LABEL k=v", "-", "saved:1", input=busybox_tar())
    image_id = cli.inspect("saved:1")["Id"]
    archive = tmp_path / "saved.tar"
    cli("save", "-o", str(archive), "saved:1")
    cli("rmi", "saved:1")
    assert "Loaded image: saved:1" in cli("load", "-i", str(archive))
    assert cli.inspect("saved:1")["Id"] == image_id
    cli("rmi", "saved:1")
    done = cli.try_("load", input=archive.read_bytes()[:30_000])
    assert done.returncode == 1
    assert cli.try_("save", "-o", str(tmp_path / "x"), "nope").returncode == 1


def test_commit(shared_engine: TestEngine) -> None:
    cli = shared_engine.docker
    cli("run", "--name", "committed", "-e", "A=b", "busybox", "sh", "-c", "echo hello > /made")
    cli("commit", "-a", "me", "-m", "why", "-c", 'CMD ["cat", "/made"]', "committed", "fromit:1")
    found = cli.inspect("fromit:1")
    assert (found["Author"], found["Comment"]) == ("me", "why")
    assert found["Config"]["Env"] == ["A=b"]
    assert cli("run", "--rm", "fromit:1") == "hello"
    assert "committed" not in cli("ps", "-q")
    cli("rm", "committed")
    cli("rmi", "fromit:1")
    assert cli.try_("commit", "committed", "x").returncode == 1


def test_volumes(shared_engine: TestEngine) -> None:
    cli = shared_engine.docker
    assert cli("volume", "create", "--label", "tier=db", "data") == "data"
    assert cli("volume", "create", "data") == "data"
    anonymous = cli("volume", "create")
    assert len(anonymous) == 64
    assert cli("volume", "ls", "-q", "--filter", "label=tier=db") == "data"
    assert cli("volume", "ls", "-q", "--filter", "name=dat") == "data"
    assert set(cli("volume", "ls", "-q", "--filter", "dangling=true").split()) == {"data", anonymous}
    cli("run", "--name", "user", "-v", "data:/d", "busybox", "sh", "-c", "echo kept > /d/f")
    assert cli("volume", "ls", "-q", "--filter", "dangling=true") == anonymous
    used = cli.try_("volume", "rm", "data")
    assert used.returncode == 1
    assert "remove data: volume is in use - [" in used.stderr
    assert anonymous in cli("volume", "prune", "-f")
    cli("rm", "user")
    assert cli("run", "--rm", "-v", "data:/d", "busybox", "cat", "/d/f") == "kept"
    assert json.loads(cli("system", "df", "--format", "{{json .}}", "-v"))["Volumes"][0]["Name"] == "data"
    assert "data" in cli("volume", "prune", "-f", "-a")
    assert cli("volume", "ls", "-q") == ""
    assert "no such volume" in cli.try_("volume", "inspect", "data").stderr


def test_a_volume_with_mount_options(shared_engine: TestEngine, tmp_path: Path) -> None:
    cli = shared_engine.docker
    cli("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,uid=1000", "memory")
    out = cli("run", "--rm", "-v", "memory:/m", "busybox", "sh", "-c", "mount | grep ' /m '; stat -c %u /m")
    assert "tmpfs" in out
    assert "size=1024k" in out
    assert out.endswith("1000")
    mounts = Path(f"/proc/{shared_engine.pid}/mounts").read_text()
    assert "memory/_data" not in mounts
    cli("volume", "rm", "memory")
    (tmp_path / "file").write_text("bound")
    cli("volume", "create", "-o", "type=none", "-o", f"device={tmp_path}", "-o", "o=bind", "bound")
    assert cli("run", "--rm", "-v", "bound:/b", "busybox", "cat", "/b/file") == "bound"
    cli("volume", "rm", "bound")
    assert (tmp_path / "file").read_text() == "bound"
    bad = cli.try_("volume", "create", "-o", "nope=1", "bad")
    assert bad.returncode == 1
    assert 'create bad: invalid option: "nope"' in bad.stderr


def test_docker_py_sees_the_same_errors(client: docker.DockerClient) -> None:
    with pytest.raises(NotFound):
        client.volumes.get("nope")
    with pytest.raises(NotFound):
        client.images.get("nope")
    with pytest.raises(APIError, match="not a swarm manager") as caught:
        client.nodes.list()
    assert caught.value.response.status_code == 503
    assert client.df()["Volumes"] == []


def test_the_services_api_says_where_to_go(shared_engine: TestEngine) -> None:
    done = shared_engine.docker.try_("service", "ls")
    assert done.returncode == 1
    assert "This node is not a swarm manager." in done.stderr
