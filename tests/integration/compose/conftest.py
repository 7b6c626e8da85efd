"""`pycompose` against real engines: ours, the original, and a cluster of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from examples.cluster.lab import Host, Wire, alive, end, spawn
from tests.harness.dockerd import DOCKERD, running_dockerd
from tests.harness.engines import PYDOCKER, Docker, TestEngine, busybox_tar, dismantle, running_engine

PYCOMPOSE = Path(sys.executable).parent / "pycompose"
PYSWARM = Path(sys.executable).parent / "pyswarm"


@dataclass
class Compose:
    """`pycompose` for one project directory on one endpoint."""

    docker: Docker
    directory: Path
    name: str
    env: dict[str, str] = field(default_factory=dict)

    def command(self, *args: str) -> list[str]:
        """The command line; on a host of its own for an endpoint that only that host reaches."""
        host = self.docker._enter
        command = [str(PYCOMPOSE), "-p", self.name, "--ansi", "never", *args]
        # only its network: files are looked for in the directory where the command runs
        return ["nsenter", "-t", str(host.pid), "-n", "--", *command] if host else command

    def environ(self) -> dict[str, str]:
        """Nothing of the caller's COMPOSE_… or DOCKER_…."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("COMPOSE_", "DOCKER_"))}
        return {**clean, "DOCKER_HOST": self.docker.host, **self.env}

    def try_(self, *args: str, input: str = "", timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command whatever its exit code is."""
        return subprocess.run(
            self.command(*args),
            cwd=self.directory,
            env=self.environ(),
            input=input,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def __call__(self, *args: str, **options: Any) -> str:
        """Run a command that must succeed; its standard output."""
        done = self.try_(*args, **options)
        assert done.returncode == 0, f"{args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def popen(self, *args: str) -> subprocess.Popen[str]:
        """Start a command and go on."""
        return subprocess.Popen(
            self.command(*args),
            cwd=self.directory,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def write(self, text: str, name: str = "compose.yaml") -> None:
        """Write the compose file, or another one."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def ps(self) -> dict[str, dict[str, Any]]:
        """All containers by name, as `ps --format json` shows them."""
        lines = self("ps", "-a", "--format", "json").splitlines()
        return {item["Name"]: item for item in map(json.loads, lines)}

    def gone(self) -> bool:
        """Whether nothing with the project's label is left, volumes included."""
        label = f"label=com.docker.compose.project={self.name}"
        kinds = (("ps", "-aq"), ("network", "ls", "-q"), ("volume", "ls", "-q"))
        return not any(self.docker(*kind, "--filter", label) for kind in kinds)


@contextmanager
def cluster(directory: Path) -> Iterator[Docker]:
    """Three of our engines behind `pyswarm manage`, all on hosts of their own."""
    hub = Host.boot("hub")
    wire = Wire("dkhub0", "10.252.0.1/24", hub)
    engines: list[TestEngine] = []
    manager = 0
    try:
        wire.lay()
        for number in (1, 2, 3):
            host = Host.boot(f"n{number}")
            engine = TestEngine(host, directory / f"n{number}", PYDOCKER)
            engines.append(engine)
            wire.plug(host, f"10.252.0.{10 + number}/24")
            engine.start()
            engine.docker("import", "-c", 'CMD ["sh"]', "-", "busybox", input=busybox_tar())
        nodes = ",".join(f"{engine.host.ip}:{engine.port}" for engine in engines)
        command = [str(PYSWARM), "manage", "-H", "tcp://127.0.0.1:3375", f"nodes://{nodes}"]
        manager = spawn(hub.enter(*command), directory / "manager.log")
        docker = Docker("tcp://127.0.0.1:3375", enter=hub)
        deadline = time.monotonic() + 30
        while docker.try_("info").stdout.count("Status: Healthy") < 3:
            assert alive(manager), (directory / "manager.log").read_text()
            assert time.monotonic() < deadline, (directory / "manager.log").read_text()
            time.sleep(0.1)
        yield docker
    finally:
        if manager:
            end(manager)
        for engine in engines:
            dismantle(engine)
        hub.shut_down()


@contextmanager
def endpoint(kind: str, directory: Path) -> Iterator[Docker]:
    """An engine of a kind."""
    if kind == "dockerd":
        if DOCKERD is None:
            pytest.skip("dockerd is not installed (Debian's docker.io)")
        with running_dockerd(directory / "d") as docker:
            yield docker
    elif kind == "pydocker":
        with running_engine(directory / "e") as engine:
            yield engine.docker
    else:
        with cluster(directory) as docker:
            yield docker


@pytest.fixture(scope="module", params=["pydocker", "dockerd", "pyswarm"])
def docker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """The docker CLI on each kind of endpoint in turn."""
    with endpoint(request.param, tmp_path_factory.mktemp("c")) as found:
        yield found


@pytest.fixture
def compose(docker: Docker, tmp_path: Path) -> Iterator[Compose]:
    """`pycompose` in an empty directory, with a project name of its own; all of it removed afterwards."""
    project = Compose(docker, tmp_path, f"t{uuid.uuid4().hex[:8]}")
    yield project
    project.try_("down", "-v", "--remove-orphans", "-t", "0")
