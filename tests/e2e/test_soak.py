"""Many lives leave an engine as it was: its memory, files, threads, and what it has in the kernel.

DOCKYARD_SOAK_SECONDS makes it longer.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.agreement import call, disagreements, processes, spawners
from tests.harness.engines import TestEngine

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(0)]

#: By how much each may have grown; the rest not at all. KB for memory: what the allocator keeps of a
#: burst. Pools make their threads when they are first needed, each with a netlink socket.
ALLOWANCE = {"daemon": 3072, "spawner": 512, "threads": 8, "files": 4}


def test_an_engine_is_after_many_lives_as_it_was(engine: TestEngine) -> None:
    seconds = float(os.environ.get("DOCKYARD_SOAK_SECONDS") or 16)
    assert call(engine, "POST", "/networks/create", {"Name": "soak"})[0] == 201
    live(engine, seconds / 3, "warm")
    before = measure(engine)
    lives = live(engine, seconds * 2 / 3, "soak")
    after = measure(engine)
    print(f"{lives} lives; before {before}, after {after}")
    assert lives > 20
    grown = {name: after[name] - before[name] for name in after}
    assert [name for name, by in grown.items() if by > ALLOWANCE.get(name, 0)] == [], grown


def live(engine: TestEngine, seconds: float, name: str) -> int:
    """Three clients run containers one after the other; how many there were."""
    end, counts, failures = time.monotonic() + seconds, [0, 0, 0], list[str]()

    def client(number: int) -> None:
        while time.monotonic() < end and not failures:
            try:
                one_life(engine, f"{name}-{number}-{counts[number]}", "soak" if number else "bridge")
            except Exception as exc:
                failures.append(repr(exc))
            counts[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(len(counts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    return sum(counts)


def one_life(engine: TestEngine, name: str, network: str) -> None:
    """Create, start, exec, read the log, remove."""

    def expect(status: int, method: str, path: str, body: Any = None) -> Any:
        got, answer = call(engine, method, path, body)
        assert got == status, f"{method} {path}: {got} {answer}"
        return answer

    host = {"NetworkMode": network, "PortBindings": {"80/tcp": [{"HostPort": "0"}]}}
    command = ["sh", "-c", "echo begin; while :; do sleep 60 & wait; done"]
    body = {"Image": "busybox", "Cmd": command, "HostConfig": host, "Volumes": {"/data": {}}}
    expect(201, "POST", f"/containers/create?name={name}", body)
    expect(204, "POST", f"/containers/{name}/start")
    made = expect(201, "POST", f"/containers/{name}/exec", {"Cmd": ["true"], "AttachStdout": True})
    expect(200, "POST", f"/exec/{made['Id']}/start", {"Detach": False})
    assert expect(200, "GET", f"/exec/{made['Id']}/json")["ExitCode"] == 0
    expect(200, "GET", f"/containers/{name}/logs?stdout=1")
    expect(204, "DELETE", f"/containers/{name}?force=1&v=1")


def measure(engine: TestEngine) -> dict[str, int]:
    """Once it has come to rest."""
    assert disagreements(engine) == []
    return settled(lambda: _measure(engine))


def settled(take: Callable[[], dict[str, int]], *, patience: float = 8.0) -> dict[str, int]:
    """What is measured twice in a row, memory apart; idle threads and stocks are filled up after a while."""
    deadline, last = time.monotonic() + patience, take()
    while True:
        time.sleep(0.7)
        now = take()
        if {**now, "daemon": 0, "spawner": 0} == {**last, "daemon": 0, "spawner": 0}:
            return now
        assert time.monotonic() < deadline, (last, now)
        last = now


def _measure(engine: TestEngine) -> dict[str, int]:
    (spawner,) = spawners(engine)
    daemon = Path(f"/proc/{engine.pid}")
    links = engine.host.run("ip", "-o", "link").splitlines()
    mounts = Path(f"/proc/{engine.host.pid}/mountinfo").read_text().splitlines()
    return {
        "daemon": _pss(engine.pid),
        "spawner": _pss(spawner),
        "files": len(list((daemon / "fd").iterdir())),
        "threads": len(list((daemon / "task").iterdir())),
        "mounts": len(mounts),
        "links": len(links),
        "processes": len(list(processes(engine))),
        "zombies": _zombies({engine.pid, spawner}),
        "volumes": len(list((engine.directory / "data/volumes").iterdir())),
    }


def _pss(pid: int) -> int:
    """Proportional set size in KB (proc_pid_smaps(5))."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def _zombies(parents: set[int]) -> int:
    found = 0
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found += fields[0] == "Z" and int(fields[1]) in parents
    return found
