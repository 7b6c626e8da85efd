"""`pycompose` on one engine of ours, on the Swarm endpoint, and on a real dockerd."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.clusters import Cluster, running_cluster
from tests.harness.dockerd import DOCKERD, running_dockerd
from tests.harness.engines import PYDOCKER, Docker, running_engine

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

FILE = """\
name: app
services:
  db:
    image: busybox
    command: [sh, -c, "echo db up; touch /data/ready; exec sleep 600"]
    volumes: [data:/data]
    healthcheck:
      test: test -e /data/ready
      interval: 0.3s
      retries: 20
  web:
    build: web
    depends_on:
      db: {condition: service_healthy}
    environment: {GREETING: "hello ${WHO:-world}"}
    deploy: {replicas: 2}
    stop_grace_period: 1s
volumes:
  data:
"""


class Project:
    """A project directory and an endpoint."""

    def __init__(self, directory: Path, docker: Docker) -> None:
        self.directory = directory
        self.docker = docker
        (directory / "compose.yaml").write_text(FILE)
        (directory / "web").mkdir()
        (directory / "web/Dockerfile").write_text(
            'FROM busybox\nRUN mkdir /w\nCMD ["sh", "-c", "echo $GREETING; exec sleep 600"]\n'
        )

    def try_(self, *args: str, input: str = "") -> subprocess.CompletedProcess[str]:
        """Run pycompose whatever comes."""
        return subprocess.run(
            [PYDOCKER.with_name("pycompose"), *args], cwd=self.directory, capture_output=True, text=True,
            input=input, env={**os.environ, "DOCKER_HOST": self.docker.host}, timeout=120, check=False,
        )  # fmt: skip

    def __call__(self, *args: str, input: str = "") -> str:
        """Run a pycompose that must succeed."""
        done = self.try_(*args, input=input)
        assert done.returncode == 0, f"{args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module", params=["ours", "dockerd"])
def endpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    directory = tmp_path_factory.mktemp("compose") / "e"
    if request.param == "dockerd":
        if DOCKERD is None:
            pytest.skip("dockerd is not installed (Debian's docker.io)")
        with running_dockerd(directory) as docker:
            yield docker
    else:
        with running_engine(directory) as engine:
            yield engine.docker


@pytest.fixture
def app(endpoint: Docker, tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path, endpoint)
    yield project
    project.try_("down", "-v", "-t", "0")
    endpoint.try_("rmi", "-f", "app-web")


def test_up_waits_for_health_and_is_idempotent(app: Project) -> None:
    app("up", "-d")
    names = set(app.docker("ps", "--format", "{{.Names}}").split())
    assert names == {"app-db-1", "app-web-1", "app-web-2"}
    started = app.docker("inspect", "-f", "{{.State.StartedAt}}", "app-web-1")
    assert app.docker("inspect", "-f", "{{.State.Health.Status}}", "app-db-1") == "healthy"
    app("up", "-d")
    assert app.docker("inspect", "-f", "{{.State.StartedAt}}", "app-web-1") == started
    labels = app.docker.inspect("app-web-1")["Config"]["Labels"]
    assert labels["com.docker.compose.project"] == "app"
    assert labels["com.docker.compose.service"] == "web"
    assert {"com.docker.compose.config-hash", "com.docker.compose.container-number"} <= labels.keys()


def test_a_change_recreates_what_changed_only(app: Project) -> None:
    app("up", "-d")
    before = {n: app.docker("inspect", "-f", "{{.Id}}", n) for n in ("app-db-1", "app-web-1")}
    (app.directory / "compose.yaml").write_text(FILE.replace("hello", "good bye"))
    app("up", "-d")
    after = {n: app.docker("inspect", "-f", "{{.Id}}", n) for n in ("app-db-1", "app-web-1")}
    assert after["app-db-1"] == before["app-db-1"]
    assert after["app-web-1"] != before["app-web-1"]
    assert "good bye world" in app("logs", "web")


def test_services_find_each_other_and_scale(app: Project) -> None:
    app("up", "-d", "--scale", "web=3")
    assert len(app.docker("ps", "-q").split()) == 4
    assert app("exec", "-T", "web", "ping", "-c", "1", "-W", "2", "db")
    app("up", "-d", "--scale", "web=1")
    assert app.docker("ps", "--filter", "name=web", "--format", "{{.Names}}") == "app-web-1"


def test_ps_logs_exec_stop_and_down(app: Project) -> None:
    app("up", "-d")
    rows = [json.loads(line) for line in app("ps", "--format", "json").splitlines() if line.startswith("{")]
    services = {row["Service"] for row in rows}
    assert services == {"db", "web"}
    logs = app("logs", "--no-color")
    assert "db up" in logs
    assert "hello world" in logs
    assert app("exec", "-T", "db", "cat", input="typed") == "typed"
    assert app.try_("exec", "-T", "db", "sh", "-c", "exit 6").returncode == 6
    app("stop", "-t", "0")
    assert app.docker("ps", "-q") == ""
    app("start")
    assert len(app.docker("ps", "-q").split()) == 3
    app("down", "-t", "0")
    assert app.docker("ps", "-aq") == ""
    assert "app_data" in app.docker("volume", "ls", "-q")
    assert "app_default" not in app.docker("network", "ls", "--format", "{{.Name}}")
    app("down", "-v")
    assert "app_data" not in app.docker("volume", "ls", "-q")


def test_data_of_a_volume_survives_down_and_up(app: Project) -> None:
    app("up", "-d", "db")
    app("exec", "-T", "db", "sh", "-c", "echo kept > /data/f")
    app("down", "-t", "0")
    app("up", "-d", "db")
    assert app("exec", "-T", "db", "cat", "/data/f") == "kept\n"


def test_config_is_canonical_and_interpolated(app: Project) -> None:
    text = app("config")
    assert "GREETING: hello world" in text
    assert app("config", "--services").split() == ["db", "web"]
    (app.directory / ".env").write_text("WHO=you\n")
    assert "GREETING: hello you" in app("config")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("services:\n  a:\n    image: [x]\n", "services.a.image"),
        ("services: {a: {image: x, bogus: 1}}\n", "bogus"),
        ("services:\n  a: {image: x\n", "compose.yaml"),
        ("services: {a: {image: x, depends_on: [b]}}\n", "b"),
        ("services: {a: {image: '${NEEDED:?say it}'}}\n", "say it"),
        ("services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}\n", "cycle"),
    ],
)
def test_a_bad_file_is_refused_before_anything_is_made(app: Project, content: str, words: str) -> None:
    (app.directory / "compose.yaml").write_text(content)
    done = app.try_("up", "-d")
    assert done.returncode not in {0, 2}
    assert words in done.stderr
    assert app.docker("ps", "-aq") == ""


def test_a_service_or_file_that_is_not_there(app: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    done = app.try_("up", "-d", "nosuch")
    assert done.returncode == 1
    assert "no such service: nosuch" in done.stderr
    app.directory = tmp_path_factory.mktemp("empty")
    assert "no configuration file provided: not found" in app.try_("up").stderr


def test_an_image_that_is_not_there_fails_and_leaves_no_container(app: Project) -> None:
    (app.directory / "compose.yaml").write_text("services: {a: {image: 'localhost:1/nosuch'}}\n")
    assert app.try_("up", "-d").returncode != 0
    assert app.docker("ps", "-aq") == ""


def test_an_attached_up_prints_logs_and_passes_the_exit_code(app: Project) -> None:
    (app.directory / "compose.yaml").write_text(
        "services:\n  job: {image: busybox, command: [sh, -c, 'echo working; exit 4']}\n"
        "  side: {image: busybox, command: sleep 600, stop_grace_period: 0s}\n"
    )
    done = app.try_("up", "--exit-code-from", "job")
    assert done.returncode == 4
    assert "working" in done.stdout
    app("down", "-t", "0")


def test_docker_compose_1_takes_a_project_over(app: Project) -> None:
    compose = shutil.which("docker-compose")
    if compose is None:
        pytest.skip("docker-compose is not installed")
    (app.directory / "compose.yaml").write_text(FILE.removeprefix("name: app\n"))  # 1.29 knows no name
    app("-p", "app", "up", "-d")
    done = subprocess.run(
        [compose, "-p", "app", "ps", "-q"], cwd=app.directory, capture_output=True, text=True, timeout=60,
        env={**os.environ, "DOCKER_HOST": app.docker.host}, check=False,
    )  # fmt: skip
    ids = done.stdout.split()
    assert set(ids) == set(app.docker("ps", "-q", "--no-trunc").split()), done.stderr


# --- on a cluster --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster") / "c", network="10.213.52") as cluster:
        yield cluster


SHOP = """\
name: shop
services:
  back:
    image: busybox
    command: [sh, -c, "mkdir -p /w; echo stock > /w/index.html; exec httpd -f -p 9000 -h /w"]
    environment: ["constraint:node==node1"]
    volumes: [state:/state]
    ports: ["9000:9000"]
    healthcheck: {test: "wget -q -O /dev/null http://127.0.0.1:9000/", interval: 0.3s, retries: 20}
  front:
    image: busybox
    command: [sh, -c, "mkdir -p /w; hostname > /w/index.html; exec httpd -f -p 80 -h /w"]
    depends_on: {back: {condition: service_healthy}}
    ports: ["8080:80"]
    deploy: {replicas: 3}
volumes: {state: }
"""


def test_an_application_spreads_over_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(SHOP)
    cluster.compose(tmp_path, "up", "-d")
    try:
        nodes = {cluster.node_of(f"shop-front-{n}") for n in (1, 2, 3)}
        assert nodes == {"node1", "node2", "node3"}
        assert cluster.node_of("shop-back-1") == "node1"
        for number in (11, 12, 13):
            patiently = ("--retry", "5", "--retry-connrefused", "--retry-delay", "1")
            page = cluster.office.run("curl", "-sS", *patiently, f"http://10.213.52.{number}:8080/")
            assert page.strip() in {cluster.docker.inspect(f"shop-front-{n}")["Id"][:12] for n in (1, 2, 3)}
        assert cluster.compose(tmp_path, "ps", "-q").split()
        assert cluster.compose(tmp_path, "exec", "-T", "back", "cat", "/w/index.html") == "stock\n"
        cluster.compose(tmp_path, "logs", "front")
        cluster.compose(tmp_path, "up", "-d")
        cluster.compose(tmp_path, "stop", "-t", "0")
    finally:
        cluster.compose(tmp_path, "down", "-v", "-t", "0")
    deadline = time.monotonic() + 10
    while cluster.docker("ps", "-aq"):
        assert time.monotonic() < deadline
    assert "shop" not in cluster.docker("network", "ls", "--format", "{{.Name}}")
    assert "shop_state" not in cluster.docker("volume", "ls", "-q")
