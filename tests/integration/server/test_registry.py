"""The docker CLI through the engine to Debian's docker-registry, and to registries that are not there."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from examples.cluster.lab import end
from tests.harness.engines import Docker, TestEngine

pytestmark = pytest.mark.root

CONFIG = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {root}/data}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {auth}
"""


def serve(engine: TestEngine, root: Path, port: int, auth: str) -> int:
    """A registry on the engine's loopback; returns its pid."""
    root.mkdir()
    (root / "config.yml").write_text(CONFIG.format(root=root, port=port, auth=auth.format(root=root)))
    (root / "htpasswd").write_text("me:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode() + "\n")
    pid = engine.host.spawn(["docker-registry", "serve", str(root / "config.yml")], root / "log")
    deadline = time.monotonic() + 20
    probe = engine.host.enter("busybox", "nc", "127.0.0.1", str(port))
    while subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline, (root / "log").read_text()
        time.sleep(0.05)
    return pid


@pytest.fixture(scope="module")
def open_registry(shared_engine: TestEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that asks nobody who they are."""
    pid = serve(shared_engine, tmp_path_factory.mktemp("open") / "r", 5000, "{{}}")
    yield "127.0.0.1:5000"
    end(pid)


@pytest.fixture(scope="module")
def closed_registry(shared_engine: TestEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that knows me, with the password secret."""
    auth = "{{htpasswd: {{realm: test, path: {root}/htpasswd}}}}"
    pid = serve(shared_engine, tmp_path_factory.mktemp("closed") / "r", 5001, auth)
    yield "127.0.0.1:5001"
    end(pid)


def test_what_was_pushed_can_be_pulled(shared_engine: TestEngine, open_registry: str) -> None:
    cli, name = shared_engine.docker, f"{open_registry}/team/box:1"
    cli("tag", "busybox", name)
    image_id = cli.inspect(name)["Id"]
    pushed = cli("push", name)
    assert f"The push refers to repository [{open_registry}/team/box]" in pushed
    digest = pushed.split("digest: ")[1].split()[0]
    cli("rmi", name)
    assert cli.try_("inspect", name).returncode == 1
    pulled = cli("pull", name)
    assert "1: Pulling from team/box" in pulled
    assert f"Digest: {digest}" in pulled
    assert f"Status: Downloaded newer image for {name}" in pulled
    assert cli.inspect(name)["Id"] == image_id
    assert cli.inspect(name)["RepoDigests"] == [f"{open_registry}/team/box@{digest}"]
    assert f"Status: Image is up to date for {name}" in cli("pull", name)
    cli("rmi", name)
    assert cli("run", "--rm", f"{open_registry}/team/box@{digest}", "echo", "by digest") == "by digest"
    cli("rmi", f"{open_registry}/team/box@{digest}")


def test_what_is_not_there_says_so(shared_engine: TestEngine, open_registry: str) -> None:
    cli = shared_engine.docker
    unknown = cli.try_("pull", f"{open_registry}/team/none:1")
    assert unknown.returncode == 1
    assert f"manifest for {open_registry}/team/none:1 not found: manifest unknown" in unknown.stderr
    run = cli.try_("run", "--rm", f"{open_registry}/team/none:1")
    assert run.returncode == 125
    assert "Unable to find image" in run.stderr
    push = cli.try_("push", f"{open_registry}/never:1")
    assert push.returncode == 1
    assert "An image does not exist locally with the tag" in push.stderr


def test_a_registry_that_is_not_there_says_so(shared_engine: TestEngine) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = shared_engine.docker.try_("pull", f"127.0.0.1:{port}/x")
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "connection refused" in done.stderr
    hub = shared_engine.docker.try_("run", "--rm", "no-such-image-anywhere")
    assert hub.returncode == 125
    assert "registry-1.docker.io" in hub.stderr


def test_names_that_are_none_are_refused(shared_engine: TestEngine) -> None:
    done = shared_engine.docker.try_("pull", "team/UPPER")
    assert done.returncode == 1
    assert "must be lowercase" in done.stderr


def test_only_who_logged_in_may_push(shared_engine: TestEngine, closed_registry: str, tmp_path: Path) -> None:
    name = f"{closed_registry}/private/box:1"
    cli = Docker(shared_engine.socket, config=tmp_path)
    cli("tag", "busybox", name)
    denied = cli.try_("push", name)
    assert denied.returncode == 1
    assert "no basic auth credentials" in denied.stderr or "authentication required" in denied.stderr
    wrong = cli.try_("login", "-u", "me", "--password-stdin", closed_registry, input="wrong")
    assert wrong.returncode == 1
    assert "Login Succeeded" in cli("login", "-u", "me", "--password-stdin", closed_registry, input="secret")
    cli("push", name)
    cli("rmi", name)
    cli("pull", name)
    cli("rmi", name)
