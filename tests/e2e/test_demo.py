"""`make demo` and `make demo-down`, on a machine of the test's own (a namespace)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.cluster.lab import Host

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[2]


class Demo:
    """The demo's two verbs inside a host."""

    def __init__(self, machine: Host, base: Path) -> None:
        self.machine = machine
        self.base = base

    def __call__(self, verb: str) -> str:
        script = f"cd {ROOT} && exec {sys.executable} -m examples.cluster.demo {verb}"
        done = subprocess.run(
            self.machine.enter("sh", "-c", script), capture_output=True, text=True, timeout=180, check=False,
            env={**os.environ, "DOCKYARD_DEMO_DIR": str(self.base)}, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

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
