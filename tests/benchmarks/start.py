"""`docker run --rm busybox true` through the same CLI on dockerd and on ours, and where our time goes.

    .venv/bin/python -m tests.benchmarks.start [--runs 30]

Both engines are measured in turn within one run (A B A B …), so that a machine whose speed drifts is
fair to both. Printed are medians and spreads in milliseconds and the ratio of the medians; then the
stages of a start over the API, those inside our runtime (tests.benchmarks.runtime), and the memory that
both need (tests.benchmarks.memory). Budget: ratio ≤ 0.2.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from engine.client import DockerClient
from tests.benchmarks import memory, runtime
from tests.harness.dockerd import DOCKERD, running_dockerd
from tests.harness.engines import Docker, running_engine

BUDGET = 0.2
NETWORKS = ("bridge", "none", "host")


def milliseconds(work: Callable[[], object]) -> float:
    """How long a call takes."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def summary(samples: list[float]) -> str:
    """Median and the quartiles around it."""
    low, middle, high = statistics.quantiles(samples, n=4)
    return f"{middle:8.1f}  ({low:.1f} to {high:.1f})"


def run_once(docker: Docker, network: str) -> None:
    """One `docker run --rm`."""
    docker("run", "--rm", f"--network={network}", "busybox", "true")


def compare(ours: Docker, original: Docker | None, runs: int) -> None:
    """The CLI on both, by network mode."""
    print(f"docker run --rm busybox true, {runs} runs each, ms: median (quartiles)\n")
    print(f"  {'network':10}{'Dockyard':28}{'dockerd':28}ratio")
    for network in NETWORKS:
        engines = [ours] if original is None else [ours, original]
        samples: dict[int, list[float]] = {id(engine): [] for engine in engines}
        for engine in engines:
            run_once(engine, network)  # warm-up
        for _ in range(runs):
            for engine in engines:
                samples[id(engine)].append(milliseconds(partial(run_once, engine, network)))
        mine = samples[id(ours)]
        theirs = samples[id(original)] if original else []
        ratio = f"{statistics.median(mine) / statistics.median(theirs):.2f}" if theirs else "-"
        print(f"  {network:10}{summary(mine):28}{summary(theirs) if theirs else 'not installed':28}{ratio}")
    cli = [milliseconds(lambda: ours("version", "--format", "x")) for _ in range(runs)]
    print(f"\n  of which the CLI itself needs about {statistics.median(cli):.1f} (docker version)")
    print(f"  budget: ratio ≤ {BUDGET} on the bridge network\n")


async def stages(host: str, runs: int, network: str = "bridge") -> dict[str, list[float]]:
    """create, start, wait and remove over the API, timed one by one."""
    times: dict[str, list[float]] = {"create": [], "start": [], "wait": [], "remove": []}
    config = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": network}}
    async with DockerClient(host) as docker:
        for _ in range(runs):
            created: dict[str, str] = {}

            async def create(created: dict[str, str] = created) -> None:
                created.update(await docker.container_create(config))

            async def call(method: str, suffix: str, created: dict[str, str] = created) -> None:
                await docker.json(method, f"/containers/{created['Id']}{suffix}")

            work: Callable[[], Awaitable[None]]
            for stage, work in (
                ("create", create),
                ("start", partial(call, "POST", "/start")),
                ("wait", partial(call, "POST", "/wait")),
                ("remove", partial(call, "DELETE", "")),
            ):
                begun = time.perf_counter()
                await work()
                times[stage].append((time.perf_counter() - begun) * 1000)
    return times


def show_stages(ours: str, original: str | None, runs: int) -> None:
    """The API's stages on both."""
    print(f"over the API, bridge network, {runs} runs, ms: median (quartiles)\n")
    mine = asyncio.run(stages(ours, runs))
    theirs = asyncio.run(stages(original, runs)) if original else {}
    for stage, samples in mine.items():
        other = summary(theirs[stage]) if theirs else "not installed"
        print(f"  {stage:10}{summary(samples):28}{other}")
    both = sorted(a + b for a, b in zip(mine["create"], mine["start"], strict=True))
    print(f"\n  create + start: p50 {statistics.median(both):.1f}, p99 {both[int(len(both) * 0.99)]:.1f} "
          "(budget 15, 40)\n")  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=30)
    runs = parser.parse_args().runs
    print(f"{os.cpu_count()} processors, kernel {os.uname().release}, {time.strftime('%Y-%m-%d')}\n")
    with (
        tempfile.TemporaryDirectory(prefix="bench") as scratch,
        running_engine(Path(scratch) / "ours") as engine,
    ):
        if DOCKERD is None:
            memory.show(memory.ours(engine), None)
            compare(engine.docker, None, runs)
            show_stages(engine.socket, None, runs)
        else:
            directory = Path(scratch) / "original"
            with running_dockerd(directory) as original:
                memory.show(memory.ours(engine), memory.dockerd(original, directory))
                compare(engine.docker, original, runs)
                show_stages(engine.socket, original.host, runs)
    runtime.show(runs)


if __name__ == "__main__":
    main()
