"""Memory of an engine at rest, and what each running container adds, of ours and of dockerd.

    .venv/bin/python -m tests.benchmarks.memory

Counted are the engine's own processes (daemon, spawner, monitors; dockerd, containerd, shims), never the
programs in the containers. The resident memory at rest is that of the daemons alone (our spawner and the
monitor in stock share nearly all of theirs). A container's is that of its monitor or shim; how much a
daemon's heap grows with ten containers is lost in its collector's noise. "Proportional" divides shared
pages by those who share them (proc_pid_smaps_rollup(5)).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.harness.dockerd import DOCKERD, running_dockerd
from tests.harness.engines import Docker, TestEngine, running_engine

CONTAINERS = 10
IDLE_BUDGET, CONTAINER_BUDGET = 60, 3


@dataclass(frozen=True)
class Memory:
    """MiB. resident, idle: at rest. pss, private: of what runs for one container alone."""

    resident: float
    idle: float
    pss: float
    private: float


def ours(engine: TestEngine) -> Memory:
    """Measure a running engine of ours."""
    return _measure(engine.docker, [engine.pid], lambda: _family(engine.pid))


def dockerd(docker: Docker, directory: Path) -> Memory:
    """Measure a dockerd; containerd and its shims name its directory in their command lines."""
    return _measure(docker, _mentioning(f"{directory}/"), lambda: _mentioning(f"{directory}/"))


def _measure(docker: Docker, daemons: list[int], processes: Callable[[], list[int]]) -> Memory:
    resident, before = _sum(daemons, "Rss:"), processes()
    idle = _sum(before, "Pss:")
    names = [f"memory{number}" for number in range(CONTAINERS)]
    for name in names:
        docker("run", "-d", f"--name={name}", "busybox", "sleep", "600")
    added = [pid for pid in processes() if pid not in before]
    pss, private = _sum(added, "Pss:") / CONTAINERS, _sum(added, "Private_") / CONTAINERS
    docker("rm", "-f", *names)
    return Memory(resident, idle, pss, private)


def _family(daemon: int) -> list[int]:
    """The daemon and its descendants in its own pid namespace: programs of containers have others."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if path.with_name("ns").joinpath("pid").readlink() == Path(f"/proc/{daemon}/ns/pid").readlink():
                parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
    found = [daemon]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


def _mentioning(text: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def _sum(pids: list[int], prefix: str) -> float:
    """MiB of all lines of smaps_rollup that begin with `prefix`."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(prefix):
                total += int(line.split()[1])
    return total / 1024


def show(mine: Memory, theirs: Memory | None) -> None:
    """Print both side by side."""
    print(f"memory, MiB                       {'Dockyard':12}{'dockerd':12}budget\n")
    for label, name, budget in (
        ("at rest, resident, daemons", "resident", str(IDLE_BUDGET)),
        ("at rest, proportional, all", "idle", ""),
        ("each container, proportional", "pss", str(CONTAINER_BUDGET)),
        ("each container, private", "private", ""),
    ):
        other = f"{getattr(theirs, name):.1f}" if theirs else "-"
        print(f"  {label:32}{getattr(mine, name):<12.1f}{other:12}{budget}")
    print()


def main() -> None:
    """From the command line."""
    with tempfile.TemporaryDirectory(prefix="bench") as scratch:
        with running_engine(Path(scratch) / "ours") as engine:
            mine = ours(engine)
        theirs = None
        if DOCKERD is not None:
            directory = Path(scratch) / "original"
            with running_dockerd(directory) as docker:
                theirs = dockerd(docker, directory)
    show(mine, theirs)


if __name__ == "__main__":
    main()
