"""Builds on a real engine, through the real docker CLI and docker-py."""

from __future__ import annotations

import io
import json
import re
import signal
import sqlite3
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import BuildError

from tests.harness.engines import Docker, TestEngine

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def cli(shared_engine: TestEngine) -> Docker:
    return shared_engine.docker


@pytest.fixture(scope="module")
def client(shared_engine: TestEngine) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=shared_engine.socket, timeout=60)
    yield client
    client.close()


@pytest.fixture
def build(cli: Docker, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Build a Dockerfile in a context of its own."""
    context = tmp_path / "context"
    context.mkdir()

    def run(dockerfile: str, *options: str, **files: str) -> subprocess.CompletedProcess[str]:
        (context / "Dockerfile").write_text(dockerfile)
        for name, text in files.items():
            (context / name).write_text(text)
        return cli.try_("build", *options, str(context))

    return run


Build = Callable[..., subprocess.CompletedProcess[str]]


def eventually(check: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not check():
        assert time.monotonic() < deadline, "did not become true"
        time.sleep(0.05)


def leftovers(engine: TestEngine) -> list[str]:
    """What a build must not leave: files, rw layers, half-made trees, sandboxes, monitors."""
    database = sqlite3.connect(f"file:{engine.directory}/data/engine.db?mode=ro", uri=True)
    try:
        rows = database.execute("SELECT container_id FROM rw_layers").fetchall()
        rows += database.execute("SELECT cache_id FROM layer_trees_pending").fetchall()
    finally:
        database.close()
    found = [str(row[0]) for row in rows]
    found += [str(p) for p in (engine.directory / "data/tmp").iterdir()]
    found += [str(p) for p in (engine.directory / "exec/containers").iterdir()]
    return found


def test_the_lines_of_the_classic_builder(build: Build) -> None:
    done = build("FROM busybox\nENV A=1\nRUN echo out; echo err >&2\nCMD true\n", "-t", "lines")
    text = done.stdout[done.stdout.index("Step 1/4") :]
    assert re.sub(r"[0-9a-f]{12}", "ID", text).split("\n")[:-1] == [
        "Step 1/4 : FROM busybox",
        " ---> ID",
        "Step 2/4 : ENV A=1",
        " ---> ID",
        "Step 3/4 : RUN echo out; echo err >&2",
        " ---> Running in ID",
        "out",
        "\x1b[91merr",
        "\x1b[0mRemoving intermediate container ID",
        " ---> ID",
        "Step 4/4 : CMD true",
        " ---> ID",
        "Successfully built ID",
        "Successfully tagged lines:latest",
    ]


def test_history_and_configuration(build: Build, cli: Docker) -> None:
    build(
        "FROM busybox\nARG WHO=me\nWORKDIR /w\nRUN echo $WHO > f\nCOPY x /x\nUSER web\n", "-t", "hist", x="x"
    )
    history = cli("history", "--no-trunc", "--format", "{{.CreatedBy}}|{{.Size}}", "hist").splitlines()
    assert [re.sub(r"[0-9a-f]{64}", "HASH", line) for line in history[:5]] == [
        "/bin/sh -c #(nop)  USER web|0B",
        "/bin/sh -c #(nop) COPY file:HASH in /x |1B",
        "|1 WHO=me /bin/sh -c echo $WHO > f|3B",
        "/bin/sh -c #(nop) WORKDIR /w|0B",
        "/bin/sh -c #(nop)  ARG WHO=me|0B",
    ]
    config = cli.inspect("hist")["Config"]
    assert (config["WorkingDir"], config["User"]) == ("/w", "web")


def test_the_cache_and_why_it_misses(build: Build) -> None:
    text = "FROM busybox\nCOPY f /f\nRUN cat /f # once\n"
    build(text, f="one")
    assert build(text).stdout.count("Using cache") == 2
    changed = build(text, f="two").stdout
    assert "Not using cache: the copied files have changed" in changed
    assert "Using cache" not in changed
    assert build(text, "--no-cache").stdout.count("Using cache") == 0


def test_stages(build: Build, cli: Docker) -> None:
    text = (
        "FROM busybox AS one\nRUN mkdir -p /o/d && echo 1 > /o/d/f && chown -R 1000:1000 /o\n"
        "FROM busybox AS unused\nRUN exit 9\n"
        "FROM one AS three\nCOPY --from=one /o /p\nCOPY --from=busybox /bin/busybox /bb\n"
        "RUN stat -c %u:%n /p/d/f; ls -a /p\n"
    )
    done = build(text, "-t", "stages")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1000:/p/d/f" in done.stdout
    assert "Step 6/6" in done.stdout
    assert build(text, "--target", "unused").returncode == 9


def test_a_copy_of_a_whole_image_brings_nothing_of_ours(build: Build, cli: Docker) -> None:
    build("FROM busybox AS a\nFROM scratch\nCOPY --from=a / /\nCMD true\n", "-t", "flat")
    name = cli("create", "flat")
    assert cli("diff", name) == ""
    cli("rm", name)
    layers = cli.inspect("flat")["RootFS"]["Layers"]
    assert len(layers) == 1


def test_a_volume_is_not_changed_by_later_steps(build: Build) -> None:
    text = "FROM busybox\nRUN mkdir /v && echo 1 > /v/kept\nVOLUME /v\n"
    text += "RUN cat /v/kept; touch /v/lost\nRUN ls /v\n"
    done = build(text)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lost" not in done.stdout.split("Step 5/5")[1].split("\n", 1)[1]
    assert "kept" in done.stdout.split("Step 5/5")[1]


def test_onbuild_triggers_run_in_the_child(build: Build) -> None:
    build("FROM busybox\nONBUILD RUN echo triggered\nONBUILD ENV X=1\n", "-t", "parent")
    done = build("FROM parent\nRUN echo x=$X\n", "-t", "child")
    assert "# Executing 2 build triggers" in done.stdout
    assert "triggered\n" in done.stdout and "x=1\n" in done.stdout


def test_heredocs(build: Build) -> None:
    text = (
        "FROM busybox\nARG W=you\nRUN <<EOF\necho hello $W\nEOF\nRUN <<X\n#!/bin/cat\nscript\nX\n"
        "COPY <<a <<'b' /d/\n$W\na\n$W\nb\nRUN cat /d/a /d/b\n"
    )
    done = build(text)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hello you\n" in done.stdout and "script\n" in done.stdout
    assert "you\n$W\n" in done.stdout


def test_build_arguments_and_labels(build: Build, cli: Docker) -> None:
    done = build(
        "FROM busybox\nARG A\nRUN echo A=$A P=$http_proxy\n", "-t", "args",
        "--build-arg", "A=1", "--build-arg", "B=2", "--build-arg", "http_proxy=secret", "--label", "k=v $x",
    )  # fmt: skip
    assert "A=1 P=secret" in done.stdout
    assert "[Warning] One or more build-args [B] were not consumed" in done.stdout
    assert cli.inspect("args")["Config"]["Labels"] == {"k": "v $x"}
    assert "secret" not in cli("history", "--no-trunc", "args")


def test_limits_reach_the_steps(build: Build) -> None:
    limit = "/sys/fs/cgroup/memory/memory.limit_in_bytes"
    text = f"FROM busybox\nRUN cat {limit}; ulimit -n; grep foo /etc/hosts\n"
    done = build(text, "-m", "64m", "--ulimit", "nofile=99:99", "--add-host", "foo:1.2.3.4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "99\n" in done.stdout and "1.2.3.4\tfoo" in done.stdout
    if Path(limit).exists():
        assert f"{64 << 20}\n" in done.stdout


def test_quiet_prints_the_id_alone(build: Build, cli: Docker) -> None:
    done = build("FROM busybox\nRUN echo noise\n", "-q", "-t", "quiet")
    assert done.stdout == cli("inspect", "-f", "{{.Id}}", "quiet") + "\n"


def test_a_dockerfile_from_standard_input(cli: Docker, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("content")
    assert "piped" in cli("build", "-", input="FROM busybox\nRUN echo piped\n")
    assert "content" in cli("build", "-f", "-", str(tmp_path), input="FROM busybox\nCOPY f /\nRUN cat /f\n")


def test_cache_from_another_image(build: Build, cli: Docker, tmp_path: Path) -> None:
    text = "FROM busybox\nRUN echo far > /far\nENV A=1\n"
    build(text, "-t", "origin")
    archive = tmp_path / "origin.tar"
    cli("save", "-o", str(archive), "origin")
    cli("rmi", "origin")
    cli("load", "-i", str(archive))
    assert build(text).stdout.count("Using cache") == 0
    cli("builder", "prune", "-f")
    assert build(text, "--cache-from", "origin").stdout.count("Using cache") == 2
    cli("rmi", "-f", "origin")


@pytest.mark.parametrize(
    ("dockerfile", "code", "words"),
    [
        ("FROM busybox\nRUN exit 3\n", 3, "The command '/bin/sh -c exit 3' returned a non-zero code: 3"),
        ("FROM busybox\nRUN sh -c 'kill -9 $$'; exit $?\n", 137, "returned a non-zero code: 137"),
        ('FROM busybox\nRUN ["nosuch"]\n', 1, 'exec: "nosuch": executable file not found in $PATH'),
        (
            "FROM busybox\nUSER nosuch\nRUN id\n",
            1,
            "unable to find user nosuch: no matching entries",
        ),
        ("FROM busybox\nCOPY --from=9 /a /b\n", 1, "line 2: invalid from flag value 9"),
        ("FROM busybox\nRUN --mount=type=cache,target=/c true\n", 1, "the --mount option of RUN"),
        ("FROM scratch\n", 1, "No image was generated"),
        ("FROM busybox\nARG A=${B:?gone}\n", 1, "B: gone"),
    ],
)
def test_failures(build: Build, shared_engine: TestEngine, dockerfile: str, code: int, words: str) -> None:
    done = build(dockerfile, "--no-cache")
    assert (done.returncode, words in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr
    assert leftovers(shared_engine) == []


def test_a_client_that_goes_away_stops_the_build(cli: Docker, shared_engine: TestEngine) -> None:
    process = cli.popen("build", "--no-cache", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin and process.stdout
    process.stdin.write(b"FROM busybox\nRUN echo begun; sleep 1000\n")
    process.stdin.close()
    while b"begun" not in process.stdout.readline():
        pass
    assert leftovers(shared_engine) != []
    process.send_signal(signal.SIGINT)
    process.stdout.close()
    process.wait(timeout=20)
    eventually(lambda: leftovers(shared_engine) == [])


def test_a_build_that_is_cancelled_by_its_id(client: docker.DockerClient, shared_engine: TestEngine) -> None:
    api = client.api
    response = api._post(
        api._url("/build"), data=context_of("FROM busybox\nRUN echo begun; sleep 1000\n"),
        params={"buildid": "mine", "nocache": "1"}, stream=True,
        headers={"Content-Type": "application/x-tar"},
    )  # fmt: skip
    for line in response.iter_lines():
        if b"begun" in line:
            break
    assert api._post(api._url("/build/cancel"), params={"id": "mine"}).status_code == 200
    eventually(lambda: leftovers(shared_engine) == [])
    response.close()


def context_of(dockerfile: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(dockerfile)
        tar.addfile(info, io.BytesIO(dockerfile.encode()))
    return buffer.getvalue()


def test_docker_py(client: docker.DockerClient, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nCOPY f /f\nRUN cat /f\n")
    (tmp_path / "f").write_text("from python\n")
    image, log = client.images.build(path=str(tmp_path), tag="py:1", gzip=True, rm=True)
    assert image.tags == ["py:1"]
    assert any(entry.get("stream") == "from python\n" for entry in log)
    with pytest.raises(BuildError, match="returned a non-zero code: 4"):
        client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN exit 4\n"), rm=True)


def test_a_context_that_is_no_archive(client: docker.DockerClient) -> None:
    api = client.api
    for body in (b"not an archive at all" * 100, b"\x1f\x8b broken"):
        answer = api._post(api._url("/build"), data=body, headers={"Content-Type": "application/x-tar"})
        assert answer.status_code == 400
        assert json.loads(answer.content)["message"]


def test_what_a_killed_daemon_left_is_removed(engine: TestEngine) -> None:
    process = engine.docker.popen(
        "build", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin and process.stdout
    process.stdin.write(b"FROM busybox\nRUN echo begun; sleep 1000\n")
    process.stdin.close()
    while b"begun" not in process.stdout.readline():
        pass
    engine.kill()
    process.stdout.close()
    process.wait(timeout=20)
    assert leftovers(engine) != []
    engine.start()
    assert leftovers(engine) == []
    assert engine.docker("build", "-q", "-", input="FROM busybox\nRUN true\n").startswith("sha256:")
