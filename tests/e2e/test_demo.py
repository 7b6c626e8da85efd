"""`make demo` and `make demo-down`, on a machine of the test's own (a namespace)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from examples.cluster.lab import Host

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[2]


def read(path: Path) -> bytes:
    """A file of /proc, empty if its process is gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


class Demo:
    """The demo's two verbs inside a host."""

    def __init__(self, machine: Host, base: Path) -> None:
        self.machine = machine
        self.base = base

    def begin(self, verb: str) -> subprocess.Popen[str]:
        """Start a verb, as a terminal does: in a process group of its own."""
        script = f"cd {ROOT} && exec {sys.executable} -m examples.cluster.demo {verb}"
        return subprocess.Popen(
            self.machine.enter("sh", "-c", script), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "DOCKYARD_DEMO_DIR": str(self.base)}, process_group=0,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def __call__(self, verb: str) -> str:
        with self.begin(verb) as process:
            out, err = process.communicate(timeout=180)
        assert process.returncode == 0, out + err
        return out

    def interrupt(self, verb: str, when: Callable[[], bool]) -> tuple[int, str]:
        """Ctrl-C as soon as something is so; the exit code and all that was printed."""
        with self.begin(verb) as process:
            deadline = time.monotonic() + 60
            while not when() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.001)
            os.killpg(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=60)
        return process.returncode, out + err

    def processes(self) -> list[str]:
        """The command lines of what the demo started and has not ended."""
        mine = bytes(self.base)
        lines = [read(path) for path in Path("/proc").glob("[0-9]*/cmdline")]
        return [line.replace(b"\0", b" ").decode() for line in lines if mine in line]

    def links(self) -> list[str]:
        return self.machine.run("ls", "/proc/sys/net/ipv4/conf").split()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    machine = Host.boot("newcomer")
    demo = Demo(machine, tmp_path / "demo")
    try:
        yield demo
        demo("down")
    finally:
        machine.shut_down()


def test_the_demo_runs_twice_and_goes_without_trace(demo: Demo) -> None:
    first = demo("up")
    for node in ("node1", "node2", "node3"):
        assert f"{node}/shop-web-" in first
    assert "node1/shop-stock-1" in first
    assert [n for n in (1, 2, 3) if f"volume: <b>{n}</b>" in first] == [1, 2, 3]
    assert "Try next:" in first
    second = demo("up")
    assert [n for n in (4, 5, 6) if f"volume: <b>{n}</b>" in second] == [4, 5, 6]  # nothing was made anew
    assert "dockyard-demo0" in demo.links()
    assert "The demo is gone." in demo("down")
    assert "dockyard-demo0" not in demo.links()
    assert not demo.base.exists()
    assert "The demo is not there." in demo("down")


def test_an_engine_whose_start_was_interrupted_goes_with_the_rest(demo: Demo) -> None:
    code, printed = demo.interrupt("up", (demo.base / "node1" / "daemon.log").exists)
    assert code == 130
    assert "make demo-down" in printed
    assert "Traceback" not in printed
    assert "The demo is gone." in demo("down")
    assert demo.processes() == []
    assert "dockyard-demo0" not in demo.links()


def test_an_interrupted_start_is_taken_up_where_it_stopped(demo: Demo) -> None:
    demo.interrupt("up", (demo.base / "node2" / "daemon.log").exists)
    running = [line for line in demo.processes() if "pydocker daemon" in line]
    assert "Try next:" in demo("up")
    assert set(running) <= set(demo.processes())
    assert len([line for line in demo.processes() if "pydocker daemon" in line]) == 3
