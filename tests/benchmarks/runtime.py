"""The stages inside the runtime's own part of a start: our driver alone, without API, images or network.

    .venv/bin/python -m tests.benchmarks.runtime [--runs 50]

Each row is a moment on the way from the driver's `create` (and again from its `start`), with the median
milliseconds since the row before. The spec is the engine's for `docker run busybox true`, seccomp included.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path

from drivers.execution.native import NativeDriver
from engine.container.seccomp_profile import kernel_version, machine, resolve_default
from engine.linux.mount import MS_PRIVATE, MS_REC, mount
from engine.linux.namespaces import CLONE_NEWNS, unshare
from tests.contract.execution_lab import CAPABILITIES, Lab, open_lab

#: What has been done when a moment comes (NativeDriver.timings).
MOMENTS = {
    "received": "the daemon's request read by the monitor, a fork that waited in stock",
    "cgroup": "cgroup made and limited, socket bound, directory recorded",
    "forked": "init forked into its pid namespace",
    "namespaces": "cgroup joined, namespaces entered or made",
    "rootfs": "mounts, pivot_root, devices, masked paths",
    "ready": "streams connected, heard by the monitor",
    "created": "heard by the daemon",
    "go": "the daemon's start request read by the monitor",
    "executed": "capabilities, seccomp, user, execve",
    "started": "heard by the daemon",
}


async def measure(runs: int) -> dict[str, list[float]]:
    """Milliseconds from one moment to the next, by moment."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench") as scratch:
        lab = await open_lab("native", Path(scratch))
        try:
            await _once(lab, {})  # compiles the filter
            for _ in range(runs):
                await _once(lab, found)
        finally:
            await lab.close()
    return found


async def _once(lab: Lab, found: dict[str, list[float]]) -> None:
    driver = lab.driver
    assert isinstance(driver, NativeDriver)
    seccomp = resolve_default(tuple(CAPABILITIES), kernel_version(), machine())
    container = await lab.create("true", linux={"seccomp": seccomp})
    await driver.start(container.id)
    last = 0.0
    for moment, at in driver.timings(container.id).items():
        if moment in MOMENTS:
            found.setdefault(moment, []).append(at - last)
        last = at
    await driver.wait(container.id)
    await driver.delete(container.id)
    lab.containers.remove(container)
    await asyncio.sleep(0.005)  # as a daemon would be busy: the next monitor gets its place in stock


def show(runs: int) -> None:
    """Measure and print."""
    unshare(CLONE_NEWNS)
    mount(None, "/", None, MS_PRIVATE | MS_REC)
    found = asyncio.run(measure(runs))
    print(f"inside the runtime, {runs} runs, ms from the moment before: median (quartiles)\n")
    for moment, samples in found.items():
        low, middle, high = statistics.quantiles(samples, n=4)
        figures = f"{middle:6.2f}  ({low:.2f} to {high:.2f})"
        print(f"  {moment:12}{figures:26}{MOMENTS[moment]}")
    print(f"\n  together {sum(statistics.median(samples) for samples in found.values()):.1f}\n")


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=50)
    show(parser.parse_args().runs)


if __name__ == "__main__":
    main()
