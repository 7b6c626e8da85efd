"""Images through the real docker CLI, against a real registry on the engine's own host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.cluster.lab import end
from tests.harness.engines import TestEngine, running_engine

REGISTRY = "127.0.0.1:5000"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestEngine]:
    root = tmp_path_factory.mktemp("cli")
    config = root / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {root}/data}}}}\n"
        f"http: {{addr: {REGISTRY}}}\n"
    )
    with running_engine(root / "e") as engine:
        pid = engine.host.spawn(["docker-registry", "serve", str(config)], root / "log")
        try:
            engine.host.await_port(5000)
            yield engine
        finally:
            end(pid)


def test_push_remove_pull_run(engine: TestEngine) -> None:
    docker, name = engine.docker, f"{REGISTRY}/team/box:v1"
    docker("tag", "busybox", name)
    pushed = docker("push", name)
    assert f"The push refers to repository [{REGISTRY}/team/box]" in pushed
    assert "v1: digest: sha256:" in pushed
    image = docker.inspect(name)
    assert docker("rmi", name).splitlines()[0] == f"Untagged: {name}"
    docker("rmi", "busybox")
    assert docker("images", "-aq") == ""
    pulled = docker("pull", name)
    assert f"Status: Downloaded newer image for {name}" in pulled
    assert docker("pull", name).splitlines()[-2] == f"Status: Image is up to date for {name}"
    assert docker.inspect(name)["Id"] == image["Id"]
    docker("tag", name, "busybox")
    assert docker("run", "--rm", "--network", "none", name, "echo", "hello") == "hello"


def test_pulled_by_run_when_it_is_missing(engine: TestEngine) -> None:
    docker, name = engine.docker, f"{REGISTRY}/team/other:v1"
    docker("tag", "busybox", name)
    docker("push", name)
    docker("rmi", name)
    done = docker.try_("run", "--rm", "--network", "none", name, "echo", "hello")
    assert (done.returncode, done.stdout) == (0, "hello\n")
    assert f"Unable to find image '{name}' locally" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["pull", f"{REGISTRY}/nope:x"],
            f"manifest for {REGISTRY}/nope:x not found: manifest unknown: manifest unknown",
        ),
        (
            ["pull", "127.0.0.1:9/x"],
            'Get "http://127.0.0.1:9/v2/": dial tcp 127.0.0.1:9: connect: connection refused',
        ),
        (["push", f"{REGISTRY}/never"], f"An image does not exist locally with the tag: {REGISTRY}/never"),
        (["rmi", "nope"], "No such image: nope:latest"),
        (["tag", "nope", "x"], "No such image: nope:latest"),
        (["history", "nope"], "No such image: nope:latest"),
    ],
)  # fmt: skip
def test_messages_of_failures(engine: TestEngine, arguments: list[str], message: str) -> None:
    done = engine.docker.try_(*arguments)
    assert done.returncode == 1
    assert message in done.stderr


def test_diff_commit_history_save_load(engine: TestEngine, tmp_path: Path) -> None:
    docker = engine.docker
    script = "rm /etc/group; echo x > /new; chmod 700 /var; mkdir -p /a/b"
    docker("run", "--name", "changed", "--network", "none", "busybox", "sh", "-c", script)
    assert set(docker("diff", "changed").splitlines()) == {
        "A /a", "A /a/b", "A /new", "C /etc", "C /var", "D /etc/group",
    }  # fmt: skip
    docker("commit", "-m", "why", "-c", 'CMD ["cat", "/new"]', "changed", "made:1")
    docker("rm", "changed")
    assert docker("history", "--format", "{{.Comment}}", "made:1").splitlines()[0] == "why"
    docker("save", "-o", str(tmp_path / "made.tar"), "made:1")
    before = docker.inspect("made:1")["Id"]
    docker("rmi", "made:1")
    assert docker("load", "-i", str(tmp_path / "made.tar")) == "Loaded image: made:1"
    assert docker.inspect("made:1")["Id"] == before
    assert docker("run", "--rm", "--network", "none", "made:1") == "x"
    docker("rmi", "made:1")


def test_a_used_image_is_kept(engine: TestEngine) -> None:
    docker = engine.docker
    docker("tag", "busybox", "used:1")
    image = docker.inspect("used:1")["Id"][7:19]
    container = docker("run", "-d", "--network", "none", "used:1", "sleep", "1000")
    done = docker.try_("rmi", "-f", image)
    assert done.returncode == 1
    reason = f"image is being used by running container {container[:12]}"
    assert f"unable to delete {image} (cannot be forced) - {reason}" in done.stderr
    docker("rm", "-f", container)
    docker("rmi", "used:1")


def test_after_a_crash_of_the_daemon_a_root_is_mounted_once(engine: TestEngine) -> None:
    docker = engine.docker
    container = docker("run", "-d", "--network", "none", "busybox", "sleep", "1000")
    merged = docker.inspect(container)["GraphDriver"]["Data"]["MergedDir"]
    engine.kill()
    engine.start()
    assert docker("exec", container, "cat", "/etc/hostname") == container[:12]
    docker("stop", "-t", "0", container)
    mounts = engine.host.run("cat", "/proc/self/mountinfo")
    assert merged not in mounts
    assert docker("cp", f"{container}:/etc/passwd", "-")
    docker("rm", container)
    assert not Path(merged).exists()
