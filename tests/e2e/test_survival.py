"""Containers outlive their daemon: stopped, started again, killed."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.engines import TestEngine

pytestmark = pytest.mark.root


def stop(engine: TestEngine) -> None:
    engine.stop()


def kill(engine: TestEngine) -> None:
    engine.kill()


@pytest.mark.parametrize("end_daemon", [stop, kill])
def test_a_running_container_runs_on_and_is_found_again(
    engine: TestEngine, end_daemon: Callable[[TestEngine], None]
) -> None:
    docker = engine.docker
    script = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done"
    docker("run", "-d", "--name", "counter", "-p", "8080:80", "busybox", "sh", "-c", script)
    before = docker.inspect("counter")
    end_daemon(engine)
    time.sleep(0.5)
    engine.start()
    after = docker.inspect("counter")
    assert after["State"]["Running"] is True
    assert after["State"]["Pid"] == before["State"]["Pid"]
    assert (
        after["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        == (before["NetworkSettings"]["Networks"]["bridge"]["IPAddress"])
    )
    lines = [int(n) for n in docker("logs", "counter").split()]
    assert lines == list(range(1, len(lines) + 1))  # nothing of the log was lost meanwhile
    assert docker("exec", "counter", "echo", "alive") == "alive"
    assert docker.try_("run", "-d", "-p", "8080:80", "busybox", "true").returncode == 125  # still its port
    docker("rm", "-f", "counter")


def test_an_exit_while_the_daemon_is_dead_is_not_lost(engine: TestEngine) -> None:
    docker = engine.docker
    docker("run", "-d", "--name", "short", "busybox", "sh", "-c", "echo last words; sleep 0.5; exit 7")
    engine.kill()
    time.sleep(1.0)
    engine.start()
    assert docker("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "short") == "exited 7"
    assert docker("logs", "short") == "last words"
    assert docker("wait", "short") == "7"


def test_policies_hold_across_a_restart(engine: TestEngine) -> None:
    docker = engine.docker
    docker("run", "-d", "--name", "always", "--restart", "always", "busybox", "sleep", "60")
    docker("run", "-d", "--name", "stopped", "--restart", "unless-stopped", "busybox", "sleep", "60")
    docker("stop", "-t", "0", "stopped")
    pid = docker.inspect("always")["State"]["Pid"]
    engine.kill()
    subprocess.run(["kill", "-9", str(pid)], check=True)
    engine.start()
    deadline = time.monotonic() + 10
    while docker("inspect", "-f", "{{.State.Status}}", "always") != "running":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert docker("inspect", "-f", "{{.State.Status}}", "stopped") == "exited"


def test_auto_removal_happens_after_the_daemon_is_back(engine: TestEngine) -> None:
    docker = engine.docker
    docker("run", "-d", "--rm", "--name", "gone", "busybox", "sleep", "0.5")
    engine.kill()
    time.sleep(1.0)
    engine.start()
    deadline = time.monotonic() + 10
    while docker.try_("inspect", "gone").returncode == 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_volumes_networks_and_images_are_still_there(engine: TestEngine) -> None:
    docker = engine.docker
    docker("volume", "create", "kept")
    docker("network", "create", "kept")
    docker.try_("run", "--name", "done", "-v", "kept:/d", "busybox", "sh", "-c", "echo x > /d/f; exit 3")
    engine.kill()
    engine.start()
    assert docker("inspect", "-f", "{{.State.ExitCode}}", "done") == "3"
    assert docker("run", "--rm", "-v", "kept:/d", "--network", "kept", "busybox", "cat", "/d/f") == "x"
    docker("network", "rm", "kept")


def test_the_cgroup_parent_goes_with_the_daemon_unless_a_container_runs_in_it(engine: TestEngine) -> None:
    def parents() -> list[Path]:
        root = Path("/sys/fs/cgroup")
        name = engine.cgroup_parent.strip("/")
        return [path for path in (root / name, *root.glob(f"*/{name}")) if path.is_dir()]

    engine.docker("run", "-d", "--name", "kept", "busybox", "sleep", "60")
    engine.stop()
    assert parents()
    engine.start()
    engine.docker("rm", "-f", "kept")
    engine.stop()
    assert not parents()


def test_two_daemons_never_share_a_data_root(engine: TestEngine) -> None:
    done = subprocess.run(
        engine.host.enter(*engine.command()), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode != 0
    assert "pid" in done.stderr.lower() or "in use" in done.stderr.lower()
    assert engine.docker("ps", "-q") == ""
