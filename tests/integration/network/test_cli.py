"""Networks through the real docker CLI."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest

from tests.harness.engines import Docker, TestEngine

pytestmark = pytest.mark.root


@pytest.fixture
def docker(shared_engine: TestEngine) -> Iterator[Docker]:
    """The CLI; what a test makes is removed after it."""
    docker = shared_engine.docker
    yield docker
    if ids := docker("ps", "-aq").split():
        docker("rm", "-f", *ids)
    docker("network", "prune", "-f")


def serve(docker: Docker, name: str, *options: str) -> None:
    """A container with a page on port 80."""
    script = "mkdir -p /w; echo hello from $0 > /w/index.html; exec httpd -f -p 80 -h /w"
    docker("run", "-d", "--name", name, *options, "busybox", "sh", "-c", script, name)


def fetch(docker: Docker, address: str, *options: str) -> str:
    return docker(
        "run", "--rm", *options, "busybox", "sh", "-c",
        f"for i in 1 2 3 4 5 6 7 8 9; do wget -qO- http://{address}/ && exit; sleep 0.1; done; exit 1",
    )  # fmt: skip


def test_containers_on_one_network_find_each_other(docker: Docker) -> None:
    docker("network", "create", "app")
    serve(docker, "web", "--network", "app", "--network-alias", "www")
    assert fetch(docker, "web", "--network", "app") == "hello from web"
    assert fetch(docker, "www", "--network", "app") == "hello from web"
    assert docker.try_("run", "--rm", "busybox", "wget", "-qO-", "http://web/").returncode == 1


def test_a_published_port_and_its_conflicts(shared_engine: TestEngine, docker: Docker) -> None:
    serve(docker, "web", "-p", "8080:80")
    assert docker("port", "web") == "80/tcp -> 0.0.0.0:8080"
    for _ in range(50):
        page = shared_engine.host.run("curl", "-s", "http://127.0.0.1:8080/", check=False)
        if page:
            break
    assert page == "hello from web\n"
    failed = docker.try_("run", "--name", "second", "-p", "8080:80", "busybox", "true")
    assert failed.returncode == 125
    assert "Bind for 0.0.0.0:8080 failed: port is already allocated" in failed.stderr
    state = docker.inspect("second")
    assert state["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] == ""
    docker("rm", "-f", "web")
    docker("start", "second")


def test_connect_and_disconnect(docker: Docker) -> None:
    docker("network", "create", "app")
    serve(docker, "web")
    docker("network", "connect", "--alias", "www", "app", "web")
    assert fetch(docker, "www", "--network", "app") == "hello from web"
    networks = docker.inspect("web")["NetworkSettings"]["Networks"]
    assert set(networks) == {"app", "bridge"}
    assert networks["app"]["IPAddress"] in docker("exec", "web", "cat", "/etc/hosts")
    assert "127.0.0.11" in docker("exec", "web", "cat", "/etc/resolv.conf")
    docker("network", "disconnect", "bridge", "web")
    docker("restart", "-t", "0", "web")
    assert set(docker.inspect("web")["NetworkSettings"]["Networks"]) == {"app"}
    assert fetch(docker, "web", "--network", "app") == "hello from web"
    in_use = docker.try_("network", "rm", "app")
    assert in_use.returncode == 1
    assert "has active endpoints" in in_use.stderr


def test_modes(docker: Docker) -> None:
    assert docker("run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net") == "lo"
    assert "pydocker0" in docker("run", "--rm", "--network", "host", "busybox", "ls", "/sys/class/net")
    serve(docker, "web")
    assert fetch(docker, "127.0.0.1", "--network", "container:web") == "hello from web"
    nosuch = docker.try_("run", "--rm", "--network", "nosuch", "busybox", "true")
    assert nosuch.returncode == 125
    assert "network nosuch not found" in nosuch.stderr


def test_create_list_inspect_and_remove(docker: Docker) -> None:
    created = docker("network", "create", "--subnet", "10.7.0.0/24", "--label", "tier=front", "app")
    assert docker("network", "ls", "-q", "--no-trunc", "--filter", "label=tier") == created
    assert docker("network", "ls", "--filter", "type=custom", "--format", "{{.Name}} {{.Driver}}") == (
        "app bridge"
    )
    shown = json.loads(docker("network", "inspect", "app"))[0]
    assert shown["IPAM"]["Config"] == [{"Subnet": "10.7.0.0/24", "Gateway": "10.7.0.1"}]
    again = docker.try_("network", "create", "app")
    assert (again.returncode, "network with name app already exists" in again.stderr) == (1, True)
    assert docker("network", "rm", "app") == "app"
    for command, message in (
        (("rm", "app"), "network app not found"),
        (("inspect", "app"), "network app not found"),
        (("rm", "bridge"), "bridge is a pre-defined network and cannot be removed"),
    ):
        failed = docker.try_("network", *command)
        assert failed.returncode == 1
        assert message in failed.stderr


def test_connections_survive_a_kill_of_the_daemon(shared_engine: TestEngine, docker: Docker) -> None:
    docker("network", "create", "app")
    serve(docker, "web", "--network", "app", "-p", "8080:80")
    docker("run", "-d", "--name", "other", "--network", "app", "busybox", "sleep", "1000")
    os.kill(shared_engine.pid, signal.SIGKILL)
    assert shared_engine.host.run("curl", "-s", "http://127.0.0.1:8080/") == "hello from web\n"
    shared_engine.start()
    assert docker("exec", "other", "wget", "-qO-", "http://web/") == "hello from web"
    assert shared_engine.host.run("curl", "-s", "http://127.0.0.1:8080/") == "hello from web\n"
    taken = docker.try_("run", "--rm", "-p", "8080:80", "busybox", "true")
    assert "port is already allocated" in taken.stderr
