"""The real docker CLI against `pyswarm manage` over three engines."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.clusters import Cluster, running_cluster
from tests.harness.engines import Docker

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("swarm") / "c") as cluster:
        yield cluster


@pytest.fixture
def cluster(running: Cluster) -> Iterator[Cluster]:
    """The module's cluster, with no container in it before and after."""
    yield running
    running.clear()
    deadline = time.monotonic() + 10
    while running.docker("ps", "-aq"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def docker(cluster: Cluster) -> Docker:
    return cluster.docker


def test_info_shows_the_nodes(docker: Docker) -> None:
    said = docker("info")
    for number in (1, 2, 3):
        assert f"node{number}: 10.213.50.1{number}:2375" in said
    assert said.count("Status: Healthy") == 3
    assert "Strategy: spread" in said


def test_spread_puts_containers_on_all_nodes_and_ps_says_where(docker: Docker) -> None:
    for number in range(3):
        docker("run", "-d", "--name", f"web{number}", "busybox", "sleep", "60")
    names = docker("ps", "--format", "{{.Names}}").split()
    assert {name.partition("/")[0] for name in names} == {"node1", "node2", "node3"}
    assert {name.partition("/")[2] for name in names} == {"web0", "web1", "web2"}


def test_run_returns_output_and_exit_code(docker: Docker) -> None:
    assert docker("run", "--rm", "busybox", "echo", "through the cluster") == "through the cluster"
    assert docker.try_("run", "--rm", "busybox", "sh", "-c", "exit 9").returncode == 9
    assert docker("run", "--rm", "-i", "busybox", "cat", input="typed") == "typed"
    assert docker.try_("run", "--rm", "busybox", "nosuch").returncode == 127


def test_logs_exec_attach_inspect_stop_and_rm_reach_the_node(cluster: Cluster, docker: Docker) -> None:
    script = "while read x; do echo got $x; done"
    id_ = docker("run", "-d", "-i", "--name", "app", "busybox", "sh", "-c", f"echo up; {script}")
    node = cluster.node_of("app")
    assert docker("exec", "app", "hostname") == id_[:12]
    assert docker("exec", "-i", f"{node}/app", "cat", input="typed") == "typed"
    assert docker.try_("exec", "app", "sh", "-c", "exit 3").returncode == 3
    with docker.popen("attach", "app", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as attached:
        assert attached.stdin is not None
        assert attached.stdout is not None
        attached.stdin.write(b"hi\n")
        attached.stdin.flush()
        assert attached.stdout.readline() == b"got hi\n"
        attached.kill()
    assert docker("logs", "app").splitlines() == ["up", "got hi"]
    assert docker.inspect(id_[:8])["Name"] == "/app"
    docker("stop", "-t", "0", "app")
    assert docker("inspect", "-f", "{{.State.Status}}", "app") == "exited"
    docker("rm", "app")
    assert docker.try_("inspect", "app").returncode == 1


def test_following_logs_ends_with_the_container(docker: Docker) -> None:
    docker(
        "run", "-d", "--name", "count", "busybox", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done"
    )
    assert docker("logs", "-f", "count").split() == ["1", "2", "3"]


def test_a_terminal_works_through_the_manager(docker: Docker) -> None:
    command = subprocess.list2cmdline(docker.command("run", "--rm", "-it", "busybox", "tty"))
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"], capture_output=True, text=True, timeout=30, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "/dev/pts/0" in done.stdout


def test_constraints_choose_by_label_and_name(cluster: Cluster, docker: Docker) -> None:
    docker("run", "-d", "--name", "byzone", "-e", "constraint:zone==b", "busybox", "sleep", "60")
    assert cluster.node_of("byzone") == "node2"
    docker("run", "-d", "--name", "byname", "-e", "constraint:node==/node[3]/", "busybox", "sleep", "60")
    assert cluster.node_of("byname") == "node3"
    assert "constraint" not in json.dumps(docker.inspect("byname")["Config"]["Env"])


def test_a_constraint_nobody_meets_is_refused(docker: Docker) -> None:
    done = docker.try_("run", "-d", "-e", "constraint:zone==mars", "busybox", "sleep", "60")
    assert done.returncode == 125
    assert "Unable to find a node that satisfies the following conditions" in done.stderr
    assert docker("ps", "-aq") == ""
    docker("run", "--rm", "-e", "constraint:zone==~mars", "busybox", "true")


def test_affinity_keeps_together_and_apart(cluster: Cluster, docker: Docker) -> None:
    docker("run", "-d", "--name", "db", "busybox", "sleep", "60")
    docker("run", "-d", "--name", "near", "-e", "affinity:container==db", "busybox", "sleep", "60")
    docker("run", "-d", "--name", "far", "-e", "affinity:container!=db", "busybox", "sleep", "60")
    assert cluster.node_of("near") == cluster.node_of("db")
    assert cluster.node_of("far") != cluster.node_of("db")


def test_a_taken_port_sends_a_container_elsewhere_until_none_is_left(
    cluster: Cluster, docker: Docker
) -> None:
    nodes = set()
    for number in range(3):
        docker("run", "-d", "--name", f"web{number}", "-p", "8080:80", "busybox", "sleep", "60")
        nodes.add(cluster.node_of(f"web{number}"))
    assert len(nodes) == 3
    assert docker.try_("run", "-d", "-p", "8080:80", "busybox", "sleep", "60").returncode == 125


def test_a_name_is_taken_in_the_whole_cluster(docker: Docker) -> None:
    docker("run", "-d", "--name", "only", "busybox", "sleep", "60")
    done = docker.try_("run", "-d", "--name", "only", "busybox", "sleep", "60")
    assert done.returncode == 125
    assert "The name only is already assigned" in done.stderr


def test_parallel_creates_spread_and_none_is_lost(docker: Docker) -> None:
    started = [
        docker.popen("run", "-d", "--name", f"p{i}", "busybox", "sleep", "60", stdout=subprocess.DEVNULL)
        for i in range(12)
    ]
    assert [process.wait(timeout=60) for process in started] == [0] * 12
    nodes = [name.partition("/")[0] for name in docker("ps", "--format", "{{.Names}}").split()]
    assert {nodes.count(f"node{n}") for n in (1, 2, 3)} == {4}


def test_copy_stats_top_port_and_rename(docker: Docker, tmp_path: Path) -> None:
    docker("run", "-d", "--name", "app", "-p", "9090:80", "busybox", "sleep", "60")
    (tmp_path / "f").write_text("copied")
    docker("cp", f"{tmp_path}/f", "app:/tmp/f")
    assert docker("exec", "app", "cat", "/tmp/f") == "copied"
    assert "sleep 60" in docker("top", "app")
    assert docker("stats", "--no-stream", "--format", "{{.PIDs}}", "app") == "1"
    assert docker("port", "app", "80/tcp").startswith("10.213.50.1")
    docker("rename", "app", "renamed")
    assert docker("inspect", "-f", "{{.Name}}", "renamed") == "/renamed"


def test_events_name_the_node(docker: Docker) -> None:
    begun = time.time() - 1
    docker("run", "--name", "told", "busybox", "true")
    lines = docker("events", "--since", f"{begun:.0f}", "--until", f"{time.time() + 1:.0f}", "--format",
                   "{{json .}}").splitlines()  # fmt: skip
    events = [json.loads(line) for line in lines]
    create = next(e for e in events if e.get("Action") == "create")
    assert create["Actor"]["Attributes"]["node.name"] in {"node1", "node2", "node3"}


def test_images_volumes_and_networks_of_the_cluster(docker: Docker) -> None:
    assert "busybox" in docker("images", "--format", "{{.Repository}}").split()
    docker("volume", "create", "everywhere")
    assert "everywhere" in docker("volume", "ls", "-q")
    docker("volume", "rm", "everywhere")
    assert docker("network", "ls", "--format", "{{.Name}}")


def test_build_runs_on_one_node_and_the_image_is_used_there(
    cluster: Cluster, docker: Docker, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo built > /f\nCMD cat /f\n")
    docker("build", "-t", "clusterbuilt", str(tmp_path), timeout=120)
    assert docker("run", "--rm", "-e", "affinity:image==clusterbuilt", "clusterbuilt") == "built"
    docker("rmi", "clusterbuilt")


@pytest.mark.parametrize(("strategy", "nodes"), [("binpack", 1), ("random", None)])
def test_other_strategies(cluster: Cluster, strategy: str, nodes: int | None) -> None:
    cluster.manage("--strategy", strategy)
    try:
        for number in range(3):
            cluster.docker("run", "-d", "-m", "64m", "--name", f"s{number}", "busybox", "sleep", "60")
        used = {cluster.node_of(f"s{number}") for number in range(3)}
        assert nodes is None or len(used) == nodes
    finally:
        cluster.clear()
        cluster.manage()


def test_a_dead_node_is_told_and_avoided(tmp_path: Path) -> None:
    with running_cluster(tmp_path / "c", 2, network="10.213.51") as cluster:
        docker = cluster.docker
        docker("run", "-d", "--name", "victim", "-e", "constraint:node==node2", "busybox", "sleep", "600")
        dead = cluster.engines[1]
        cluster.wire.cut(dead.host)
        begun = time.monotonic()
        while "Status: Healthy" in docker("info").partition("node2:")[2]:
            assert time.monotonic() - begun < 15
            time.sleep(0.1)
        assert time.monotonic() - begun < 8  # 5 s by default; the rest is this machine's
        assert "Host Down" in docker("ps", "-a", "--filter", "name=victim", "--format", "{{.Status}}")
        for number in range(2):
            docker("run", "-d", "--name", f"new{number}", "busybox", "sleep", "60")
            assert cluster.node_of(f"new{number}") == "node1"
        done = docker.try_("run", "-d", "-e", "constraint:node==node2", "busybox", "sleep", "60")
        assert done.returncode == 125
        cluster.wire.mend(dead.host)
        while cluster.healthy() < 2:
            assert time.monotonic() - begun < 60
            time.sleep(0.2)
        assert docker("inspect", "-f", "{{.State.Status}}", "victim") == "running"
