"""A full disk and too few descriptors: errors that say so, nothing lost, and all is well afterwards."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.agreement import disagreements
from tests.harness.engines import TestEngine, busybox_tar, running_engine

pytestmark = pytest.mark.root

SPACE = "no space left on device"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[TestEngine]:
    """An engine whose data-root has 8 MB, some of it taken by the image."""
    data = tmp_path / "e/data"
    data.mkdir(parents=True)
    with running_engine(tmp_path / "e", image=False) as engine:
        engine.stop()
        engine.host.run("mount", "-t", "tmpfs", "-o", "size=8m", "small", str(data))
        engine.start()
        engine.docker("import", "-", "busybox", input=busybox_tar())
        yield engine
        engine.docker.try_("rm", "-f", *engine.docker("ps", "-aq").split(), "none")
        engine.stop()
        engine.host.run("umount", "-l", str(data))


def fill(engine: TestEngine) -> str:
    """Take all that is left; the file to remove for it to be free again."""
    path = f"{engine.directory}/data/filler"
    engine.host.run("sh", "-c", f"dd if=/dev/zero of={path} bs=4k", check=False)
    return path


def test_a_full_disk_costs_no_container(small: TestEngine) -> None:
    docker = small.docker
    script = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done"
    docker("run", "-d", "--name", "counter", "busybox", "sh", "-c", script)
    docker(
        "run",
        "-d",
        "--name",
        "ending",
        "busybox",
        "sh",
        "-c",
        "while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 5",
    )
    filler = fill(small)
    for command in (
        ("create", "busybox", "true"),
        ("run", "-d", "busybox", "true"),
        ("volume", "create", "vol"),
    ):
        done = docker.try_(*command)
        assert done.returncode == 0 or SPACE in done.stderr.lower(), done.stderr
    assert docker("exec", "counter", "echo", "alive") == "alive"
    for _ in range(30):
        done = docker.try_("run", "-d", "busybox", "sleep", "100")
        if done.returncode:
            break
    assert SPACE in done.stderr.lower(), done.stderr
    docker("kill", "ending")
    assert docker("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "ending") == "exited 137"
    small.host.run("rm", filler)
    docker("run", "--rm", "busybox", "true")
    docker.try_(
        "rm",
        "-f",
        *(name for name in docker("ps", "-aq").split() if name not in docker("ps", "-aqf", "name=counter")),
    )
    time.sleep(0.2)
    lines = [int(number) for number in docker("logs", "counter").split()]
    assert lines[0] == 1
    assert lines == sorted(lines)
    small.kill()
    small.start()
    assert docker("inspect", "-f", "{{.State.Status}}", "counter") == "running"
    docker("rm", "-f", "counter")
    assert disagreements(small) == []


def test_an_exit_on_a_full_disk_without_a_daemon_is_recorded(small: TestEngine) -> None:
    docker = small.docker
    docker("run", "-d", "--name", "ending", "busybox", "sh", "-c", "sleep 1; exit 5")
    small.kill()
    filler = fill(small)
    time.sleep(1.5)
    small.host.run("rm", filler)
    small.start()
    assert docker("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "ending") == "exited 5"


def test_too_few_descriptors_give_errors_and_not_death(tmp_path: Path) -> None:
    with running_engine(tmp_path / "e") as engine:
        docker = engine.docker
        docker("run", "-d", "--name", "first", "busybox", "sleep", "100")
        subprocess.run(["prlimit", "--pid", str(engine.pid), "--nofile=64:"], check=True)
        failures = []
        for _ in range(60):
            done = docker.try_("run", "-d", "busybox", "sleep", "100")
            if done.returncode:
                failures.append(done.stderr)
        assert failures
        assert all("too many open files" in text.lower() for text in failures), failures[0]
        assert docker("inspect", "-f", "{{.State.Status}}", "first") == "running"
        subprocess.run(["prlimit", "--pid", str(engine.pid), "--nofile=1024:"], check=True)
        docker("run", "--rm", "busybox", "true")
        assert disagreements(engine) == []
        docker("rm", "-f", *docker("ps", "-aq").split())
        assert disagreements(engine) == []
