"""Containers outlive the daemon: its stop, its kill -9."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.harness.engines import TestEngine
from tests.integration.containers.terminal import until

pytestmark = pytest.mark.root

COUNT = "i=0; while true; do i=$((i+1)); echo $i; sleep 0.1; done"


def down(engine: TestEngine, how: str) -> None:
    engine.kill() if how == "kill" else engine.stop()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_running_containers_go_on(engine: TestEngine, how: str) -> None:
    docker = engine.docker
    docker("run", "-d", "--name", "counts", "busybox", "sh", "-c", COUNT)
    docker("run", "-d", "-i", "--name", "cat", "busybox", "cat")
    docker("run", "-d", "--name", "web", "-p", "8070:80", "busybox", "httpd", "-f", "-p", "80", "-h", "/etc")
    docker("run", "-d", "--name", "paused", "busybox", "sleep", "1000")
    docker("pause", "paused")
    pids = {name: docker.inspect(name)["State"]["Pid"] for name in ("counts", "cat", "web", "paused")}
    address = docker.inspect("web")["NetworkSettings"]["IPAddress"]
    down(engine, how)
    engine.start()
    for name, pid in pids.items():
        assert docker.inspect(name)["State"]["Pid"] == pid
    assert docker.inspect("web")["NetworkSettings"]["IPAddress"] == address
    assert docker.inspect("paused")["State"]["Status"] == "paused"
    numbers = docker("logs", "counts").split()
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    with docker.popen("attach", "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as attached:
        assert attached.stdin is not None
        assert attached.stdout is not None
        attached.stdin.write(b"still here\n")
        attached.stdin.flush()
        assert attached.stdout.readline() == b"still here\n"
        docker("rm", "-f", "cat")
    assert docker("exec", "counts", "echo", "in") == "in"
    assert engine.host.run("wget", "-qO-", "-T", "10", "http://127.0.0.1:8070/passwd").startswith("root:")
    docker("stop", "-t", "0", "counts")
    assert docker.inspect("counts")["State"]["ExitCode"] == 137
    docker("run", "--rm", "busybox", "true")


def test_what_ended_meanwhile_has_its_code_and_its_policy(engine: TestEngine) -> None:
    docker = engine.docker
    docker("run", "-d", "--name", "nine", "busybox", "sh", "-c", "sleep 0.7; echo last words; exit 9")
    docker("run", "-d", "--name", "always", "--restart", "always", "busybox", "sh", "-c", "sleep 0.7; exit 1")
    docker("run", "-d", "--name", "kept", "--restart", "unless-stopped", "busybox", "sleep", "1000")
    docker("run", "-d", "--name", "stopped", "--restart", "unless-stopped", "busybox", "sleep", "1000")
    docker("stop", "-t", "0", "stopped")
    docker("run", "-d", "--rm", "--name", "gone", "-v", "/data", "busybox", "sleep", "0.7")
    engine.kill()
    time.sleep(1.5)
    engine.start()
    state = docker.inspect("nine")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 9)
    assert docker("logs", "nine") == "last words"
    until(lambda: docker.inspect("always")["State"]["Running"])
    assert docker.inspect("kept")["State"]["Running"] is True
    assert docker.inspect("stopped")["State"]["Running"] is False
    assert "gone" not in docker("ps", "-a", "--format", "{{.Names}}").split()
    assert docker("volume", "ls", "-q") == ""


def test_health_checks_go_on(engine: TestEngine) -> None:
    docker = engine.docker
    docker("run", "-d", "--name", "c1", "--health-cmd", "cat /ok", "--health-interval", "100ms",
           "--health-retries", "1", "busybox", "sh", "-c", "touch /ok; sleep 1000")  # fmt: skip
    until(lambda: docker.inspect("c1")["State"]["Health"]["Status"] == "healthy")
    engine.restart()
    assert docker.inspect("c1")["State"]["Health"]["Status"] == "healthy"
    docker("exec", "c1", "rm", "/ok")
    until(lambda: docker.inspect("c1")["State"]["Health"]["Status"] == "unhealthy")
