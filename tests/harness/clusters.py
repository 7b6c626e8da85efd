"""A cluster for tests: engines as hosts on one wire, `pyswarm manage` over them, and clients beside it.

Everything is inside a namespace of the test's own (`office`), so clusters of several tests may run side
by side and nothing reaches this machine's network.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from examples.cluster.lab import Host, Wire, alive, end
from tests.harness.engines import PYDOCKER, Docker, TestEngine, busybox_tar, dismantle

MANAGER = "tcp://127.0.0.1:3375"


class Cluster:
    """Engines, the manager's docker CLI, and the tools."""

    def __init__(self, office: Host, wire: Wire, directory: Path) -> None:
        self.office = office
        self.wire = wire
        self.directory = directory
        self.engines: list[TestEngine] = []
        self.manager_pid = 0

    @property
    def docker(self) -> Docker:
        """The real docker CLI on the manager."""
        return Docker(MANAGER, enter=self.office)

    def add_engine(self, name: str, address: str, *options: str) -> TestEngine:
        """One more node."""
        host = Host.boot(name)
        engine = TestEngine(host, self.directory / name, PYDOCKER, options)
        self.engines.append(engine)
        self.wire.plug(host, address)
        engine.start()
        engine.docker("import", "-", "busybox", input=busybox_tar())
        return engine

    def manage(self, *options: str, nodes: Sequence[str] = ()) -> None:
        """Start (again) the manager and wait until all nodes are healthy."""
        if self.manager_pid:
            end(self.manager_pid)
        addresses = [*(f"{e.host.ip}:{e.port}" for e in self.engines), *nodes]
        command = [
            str(PYDOCKER.with_name("pyswarm")),
            "manage",
            "-H",
            MANAGER,
            *options,
            f"nodes://{','.join(addresses)}",
        ]
        log = self.directory / "manager.log"
        self.manager_pid = self.office.spawn(command, log)
        deadline = time.monotonic() + 30
        while self.healthy() < len(self.engines):
            assert alive(self.manager_pid), log.read_text()[-2000:]
            assert time.monotonic() < deadline, self.docker.try_("info").stdout + log.read_text()[-2000:]
            time.sleep(0.1)

    def healthy(self) -> int:
        """How many nodes the manager calls healthy."""
        return self.docker.try_("info").stdout.count("Status: Healthy")

    def compose(self, directory: Path, *args: str, code: int = 0, host: str = MANAGER) -> str:
        """`pycompose` in a directory, against the manager or another endpoint; its standard output."""
        file = ("-f", str(directory / "compose.yaml"))
        command = self.office.enter(str(PYDOCKER.with_name("pycompose")), *file, *args)
        env = {**os.environ, "DOCKER_HOST": host}
        done = subprocess.run(
            command, capture_output=True, text=True, env=env, timeout=120, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == code, (
            f"pycompose {args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    def node_of(self, container: str) -> str:
        """The node a container is on."""
        return str(self.docker.inspect(container)["Node"]["Name"])

    def clear(self) -> None:
        """Remove all containers."""
        for engine in self.engines:
            ids = engine.docker.try_("ps", "-aq").stdout.split()
            if ids:
                engine.docker.try_("rm", "-f", "-v", *ids)


@contextmanager
def running_cluster(directory: Path, count: int = 3, network: str = "10.213.50") -> Iterator[Cluster]:
    """`count` engines node1… (labels zone=a, b, a, …) and a manager; gone at the end."""
    directory.mkdir(parents=True, exist_ok=True)
    office = Host.boot("office")
    wire = Wire("wire0", f"{network}.1/24", inside=office)
    cluster = Cluster(office, wire, directory)
    try:
        wire.lay()
        for number in range(1, count + 1):
            zone = "ab"[(number + 1) % 2]
            cluster.add_engine(f"node{number}", f"{network}.{10 + number}/24", f"--label=zone={zone}")
        cluster.manage()
        yield cluster
    finally:
        if cluster.manager_pid:
            end(cluster.manager_pid)
        for engine in cluster.engines:
            dismantle(engine)
        office.shut_down()
