"""The daemon process: starting, refusing to, reloading, stopping, being killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from examples.cluster.lab import alive
from tests.harness.engines import Docker, TestEngine, running_engine

pytestmark = pytest.mark.root


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


def start_another(engine: TestEngine, *options: str) -> subprocess.CompletedProcess[str]:
    """A second daemon on the same host, which is expected to end by itself."""
    command = engine.host.enter(str(engine.pydocker), "daemon", *options)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_second_daemon_on_the_same_roots_is_refused(shared_engine: TestEngine, tmp_path: Path) -> None:
    engine, d = shared_engine, shared_engine.directory
    for options in (
        (f"--pidfile={d}/pid", f"--data-root={tmp_path}/data", f"--exec-root={tmp_path}/exec"),
        (f"--pidfile={tmp_path}/pid", f"--data-root={d}/data", f"--exec-root={tmp_path}/exec"),
        (f"--pidfile={tmp_path}/pid", f"--data-root={tmp_path}/data", f"--exec-root={d}/exec"),
    ):
        done = start_another(engine, *options, f"-H=unix://{tmp_path}/s", f"--config-file={d}/daemon.json")
        assert done.returncode == 1
        assert "is used by another daemon" in done.stderr
        assert str(engine.pid) in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "s").exists()
        assert not (tmp_path / "pid").exists()


def test_a_second_daemon_on_the_same_bridge_is_refused(shared_engine: TestEngine, tmp_path: Path) -> None:
    own = [f"--{name}={tmp_path}/{name}" for name in ("pidfile", "data-root", "exec-root")]
    config = f"--config-file={shared_engine.directory}/daemon.json"
    done = start_another(shared_engine, *own, f"-H=unix://{tmp_path}/s", config)
    assert done.returncode == 1
    assert "bridge pydocker0 is used by another daemon" in done.stderr
    assert not (tmp_path / "s").exists()


def test_a_second_daemon_does_not_take_the_socket(shared_engine: TestEngine, tmp_path: Path) -> None:
    own = [f"--{name}={tmp_path}/{name}" for name in ("pidfile", "data-root", "exec-root")]
    done = start_another(
        shared_engine,
        *own,
        f"-H={shared_engine.socket}",
        f"--config-file={shared_engine.directory}/daemon.json",
        "--bridge=none",
    )
    assert done.returncode == 1
    assert "another daemon answers there" in done.stderr
    assert "Traceback" not in done.stderr
    shared_engine.docker("version")


def test_stopping_leaves_no_socket_and_no_pid_file(engine: TestEngine) -> None:
    assert int((engine.directory / "pid").read_text()) == engine.pid
    os.kill(engine.pid, signal.SIGTERM)
    until(lambda: not alive(engine.pid), "the daemon ends")
    assert not (engine.directory / "docker.sock").exists()
    assert not (engine.directory / "pid").exists()
    assert "Traceback" not in engine.log.read_text()


def test_a_killed_daemon_s_socket_and_pid_file_are_no_obstacle(engine: TestEngine) -> None:
    before = engine.docker("info", "--format", "{{.ID}}")
    engine.kill()
    assert (engine.directory / "docker.sock").exists()
    assert (engine.directory / "pid").exists()
    engine.start()
    assert engine.docker("info", "--format", "{{.ID}}") == before
    assert "busybox" in engine.docker("images")


def test_streams_end_when_the_daemon_stops(engine: TestEngine) -> None:
    events = engine.docker.popen("events", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: engine.docker("info", "--format", "{{.NEventsListener}}") == "1", "events are listened to")
    began = time.monotonic()
    engine.stop()
    events.communicate(timeout=20)
    assert time.monotonic() - began < 10


def test_sighup_takes_labels_and_debug_from_the_file(engine: TestEngine) -> None:
    file = engine.directory / "daemon.json"
    file.write_text(json.dumps({"labels": ["rack=7"], "debug": True}))
    os.kill(engine.pid, signal.SIGHUP)
    until(lambda: "rack=7" in engine.docker("info", "--format", "{{.Labels}}"), "labels are reloaded")
    assert engine.docker("info", "--format", "{{.Debug}}") == "true"
    file.write_text("{")
    os.kill(engine.pid, signal.SIGHUP)
    until(lambda: "the configuration stays as it was" in engine.log.read_text(), "the bad file is told")
    assert "rack=7" in engine.docker("info", "--format", "{{.Labels}}")
    file.write_text("")


def test_tcp_and_unix_are_served_at_once_and_readiness_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(tmp_path / "notify"))
        ready.settimeout(20)
        with running_engine(tmp_path / "e", "host", "-H", "tcp://127.0.0.1:2375", image=False) as engine:
            engine.stop()
            engine.host.env["NOTIFY_SOCKET"] = str(tmp_path / "notify")
            engine.start()
            assert ready.recv(100) == b"READY=1"
            tcp = Docker("tcp://127.0.0.1:2375", enter=engine.host)
            assert tcp("info", "--format", "{{.ID}}") == engine.docker("info", "--format", "{{.ID}}")
            assert "without encryption" in engine.docker.try_("info").stderr


def test_idle_memory_is_within_its_budget(engine: TestEngine) -> None:
    engine.docker("info")
    engine.docker("ps")
    status = Path(f"/proc/{engine.pid}/status").read_text()
    rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert rss <= 60 * 1024, f"{rss} kB"
