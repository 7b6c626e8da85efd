"""The real docker CLI: images, build, networks, published ports."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.engines import Docker, TestEngine, busybox_tar

pytestmark = pytest.mark.root

DOCKERFILE = """\
FROM busybox AS base
ARG WHO=world
ENV GREETING="hello ${WHO}"
WORKDIR /srv
COPY data ./data
RUN echo "$GREETING" > greeting && cat data/file >> greeting

FROM busybox
LABEL maker=test
COPY --from=base /srv/greeting /greeting
EXPOSE 8080/tcp
VOLUME /state
USER web
CMD ["cat", "/greeting"]
"""


@pytest.fixture
def tag(cli: Docker, name: str) -> Iterator[str]:
    """An image name that is gone afterwards."""
    yield name
    cli.try_("rmi", "-f", name)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("from the context\n")
    (tmp_path / "secret").write_text("not for the image")
    (tmp_path / ".dockerignore").write_text("secret\n")
    return tmp_path


# --- images --------------------------------------------------------------------------------------


def test_import_with_changes_then_list_tag_and_remove(cli: Docker, tag: str) -> None:
    id_ = cli("import", "-c", 'CMD ["echo", "imported"]', "-m", "note", "-", tag, input=busybox_tar())
    assert id_.startswith("sha256:")
    assert cli("run", "--rm", tag) == "imported"
    assert cli("images", "--no-trunc", "-q", tag) == id_
    cli("tag", tag, f"{tag}:two")
    assert "Untagged: " in cli("rmi", f"{tag}:two")
    said = cli("rmi", tag)
    assert f"Deleted: {id_}" in said
    assert cli.try_("inspect", id_).returncode == 1


def test_an_image_in_use_is_kept(cli: Docker, tag: str) -> None:
    cli("import", "-", tag, input=busybox_tar())
    cli("create", "--name", f"{tag}c", tag, "true")
    try:
        done = cli.try_("rmi", tag)
        assert done.returncode == 1
        assert "is using" in done.stderr
    finally:
        cli("rm", f"{tag}c")
    assert "No such image" in cli.try_("rmi", "nosuch").stderr


def test_history_and_inspect(cli: Docker) -> None:
    assert cli("inspect", "-f", "{{.Architecture}} {{.Os}}", "busybox") == "amd64 linux"
    assert "Imported from -" in cli("history", "busybox", "--format", "{{.Comment}}")


def test_save_and_load_bring_the_same_image_back(cli: Docker, tag: str, tmp_path: Path) -> None:
    id_ = cli("import", "-", tag, input=busybox_tar())
    cli("save", "-o", f"{tmp_path}/i.tar", tag)
    cli("rmi", tag)
    assert f"Loaded image: {tag}:latest" in cli("load", "-i", f"{tmp_path}/i.tar")
    assert cli("inspect", "-f", "{{.Id}}", tag) == id_


def test_commit_makes_an_image_of_a_container(cli: Docker, name: str, tag: str) -> None:
    cli("run", "--name", f"{name}x", "busybox", "sh", "-c", "echo committed > /f")
    try:
        cli("commit", "-c", 'CMD ["cat", "/f"]', f"{name}x", tag)
        assert cli("run", "--rm", tag) == "committed"
    finally:
        cli("rm", f"{name}x")


# --- build ---------------------------------------------------------------------------------------


def test_build_runs_copies_and_configures(cli: Docker, tag: str, context: Path) -> None:
    out = cli("build", "-t", tag, "--build-arg", "WHO=you", str(context), timeout=120)
    assert "Step 1/" in out
    assert f"Successfully tagged {tag}:latest" in out
    assert cli("run", "--rm", tag) == "hello you\nfrom the context"
    config = json.loads(cli("inspect", "-f", "{{json .Config}}", tag))
    assert config["Labels"]["maker"] == "test"
    assert config["User"] == "web"
    assert "8080/tcp" in config["ExposedPorts"]
    assert "/state" in config["Volumes"]


def test_a_second_build_uses_the_cache_and_gives_the_same_image(cli: Docker, tag: str, context: Path) -> None:
    cli("build", "-t", tag, str(context), timeout=120)
    first = cli("inspect", "-f", "{{.Id}}", tag)
    assert "Using cache" in cli("build", "-t", tag, str(context), timeout=120)
    assert cli("inspect", "-f", "{{.Id}}", tag) == first
    (context / "data/file").write_text("changed\n")
    cli("build", "-t", tag, str(context), timeout=120)
    assert cli("run", "--rm", tag).endswith("changed")


def test_a_scratch_image_is_built_step_by_step(cli: Docker, tag: str, tmp_path: Path) -> None:
    (tmp_path / "busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (tmp_path / "busybox").chmod(0o755)
    (tmp_path / "Dockerfile").write_text(
        "FROM scratch\nCOPY busybox /bin/busybox\n"
        'RUN ["/bin/busybox", "--install", "-s", "/bin"]\nRUN echo made > /made\nCMD cat /made\n'
    )
    cli("build", "-t", tag, str(tmp_path), timeout=120)
    assert cli("run", "--rm", tag) == "made"


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        ("FROM busybox\nRUN exit 3\n", "returned a non-zero code: 3"),
        ("FROM busybox\nFOO bar\n", "nknown instruction: FOO"),
        ("FROM busybox\nCOPY nosuch /x\n", "nosuch"),
        ("RUN true\n", "o build stage in current context"),
        ("FROM busybox\nCOPY secret /x\n", "secret"),
    ],
)
def test_a_failing_build_says_why_and_leaves_nothing(
    cli: Docker, tag: str, context: Path, dockerfile: str, words: str
) -> None:
    (context / "Dockerfile").write_text(dockerfile)
    before = cli("ps", "-aq")
    done = cli.try_("build", "--rm", "--force-rm", "-t", tag, str(context), timeout=120)
    assert done.returncode != 0
    assert words in done.stdout + done.stderr
    assert cli.try_("inspect", tag).returncode == 1
    assert cli("ps", "-aq") == before


# --- networks ------------------------------------------------------------------------------------


@pytest.fixture
def network(cli: Docker, name: str) -> Iterator[str]:
    cli("network", "create", name)
    yield name
    for id_ in cli.try_("ps", "-aq", "--filter", f"network={name}").stdout.split():
        cli.try_("rm", "-f", id_)
    cli("network", "rm", name)


def test_the_predefined_networks_are_there_and_stay(cli: Docker) -> None:
    assert {"bridge", "host", "none"} <= set(cli("network", "ls", "--format", "{{.Name}}").split())
    assert cli.try_("network", "rm", "bridge").returncode == 1


def test_containers_of_a_network_find_each_other_by_name(cli: Docker, network: str) -> None:
    cli("run", "-d", "--network", network, "--name", f"{network}-a", "--network-alias", "db", "busybox",
        "sh", "-c", "mkdir /w; echo here > /w/index.html; exec httpd -f -p 80 -h /w")  # fmt: skip
    ask = "for i in 1 2 3 4 5; do wget -q -O - http://db/ && break; sleep 0.2; done"
    assert cli("run", "--rm", "--network", network, "busybox", "sh", "-c", ask) == "here"
    assert f"{network}-a" in cli("network", "inspect", network)


def test_networks_keep_apart(cli: Docker, network: str) -> None:
    cli("run", "-d", "--network", network, "--name", f"{network}-a", "busybox", "sleep", "60")
    address = cli("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", f"{network}-a")
    assert cli.try_("run", "--rm", "busybox", "ping", "-c", "1", "-W", "1", address).returncode == 1
    assert (
        cli.try_(
            "run", "--rm", "--network", network, "busybox", "ping", "-c", "1", "-W", "2", address
        ).returncode
        == 0
    )


def test_a_running_container_is_connected_and_disconnected(cli: Docker, network: str, name: str) -> None:
    cli("run", "-d", "--name", f"{name}-c", "busybox", "sleep", "60")
    cli("network", "connect", network, f"{name}-c")
    assert "eth1" in cli("exec", f"{name}-c", "ls", "/sys/class/net")
    cli("network", "disconnect", network, f"{name}-c")
    assert "eth1" not in cli("exec", f"{name}-c", "ls", "/sys/class/net")
    cli("rm", "-f", f"{name}-c")


def test_a_network_in_use_or_twice_or_unknown_is_refused(cli: Docker, network: str) -> None:
    assert "already exists" in cli.try_("network", "create", network).stderr
    assert "not found" in cli.try_("network", "inspect", "nosuch").stderr
    cli("run", "-d", "--network", network, "--name", f"{network}-a", "busybox", "sleep", "60")
    assert "active endpoints" in cli.try_("network", "rm", network).stderr


def test_modes_none_and_host(cli: Docker) -> None:
    assert cli("run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net").split() == ["lo"]
    assert cli("run", "--rm", "--network", "host", "busybox", "hostname") in {"host", "original"}


def test_a_network_namespace_is_shared(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "busybox", "sleep", "60")
    own = cli("exec", name, "readlink", "/proc/self/ns/net")
    assert (
        cli("run", "--rm", "--network", f"container:{name}", "busybox", "readlink", "/proc/self/ns/net")
        == own
    )


def _get(engine: TestEngine, url: str) -> str:
    deadline = time.monotonic() + 5
    while True:
        done = subprocess.run(
            engine.host.enter("curl", "-s", "-m", "2", url), capture_output=True, text=True, check=False
        )
        if done.returncode == 0 or time.monotonic() > deadline:
            return done.stdout
        time.sleep(0.1)


def test_a_published_port_answers_on_the_host(engine: TestEngine) -> None:
    serve = "mkdir /w; echo page > /w/index.html; exec httpd -f -p 80 -h /w"
    engine.docker("run", "-d", "--name", "web", "-p", "8080:80", "busybox", "sh", "-c", serve)
    gateway = engine.docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge")
    assert _get(engine, "http://127.0.0.1:8080/") == "page\n"
    assert _get(engine, f"http://{gateway}:8080/") == "page\n"
    assert engine.docker("port", "web").splitlines()[0] == "80/tcp -> 0.0.0.0:8080"
    done = engine.docker.try_("run", "--name", "second", "-p", "8080:80", "busybox", "true")
    assert done.returncode == 125
    assert "port is already allocated" in done.stderr
    engine.docker("rm", "-f", "web")
    assert _get_fails(engine, "http://127.0.0.1:8080/")


def _get_fails(engine: TestEngine, url: str) -> bool:
    done = subprocess.run(engine.host.enter("curl", "-s", "-m", "2", url), capture_output=True, check=False)
    return done.returncode != 0


def test_a_port_of_another_program_is_refused(engine: TestEngine) -> None:
    from examples.cluster.lab import end

    log = engine.directory / "nc.log"
    other = engine.host.spawn([sys.executable, "-m", "http.server", "8081"], log)
    try:
        engine.host.await_port(8081)
        done = engine.docker.try_("run", "--name", "late", "-p", "8081:80", "busybox", "true")
        assert done.returncode == 125
        assert "address already in use" in done.stderr
    finally:
        end(other)
    assert engine.docker("inspect", "-f", "{{.State.Status}}", "late") == "created"
