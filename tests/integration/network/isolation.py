"""Runs a test in a process of its own, in a network and mount namespace of its own.

    @on_own_host
    async def test_something(host: Lab) -> None: ...

The body runs in a child Python; what it asserts is the test's result.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.integration.network.lab import Lab

ROOT = Path(__file__).parents[3]
Body = Callable[[Lab], Awaitable[None]]


def on_own_host(body: Body) -> Callable[[], None]:
    def test() -> None:
        command = ["unshare", "--mount", "--net", "--propagation", "private", sys.executable, "-m", __name__]
        done = subprocess.run(
            [*command, body.__module__, body.__name__],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"\n{done.stdout}\n{done.stderr}"

    test.__name__ = body.__name__
    test.__doc__ = body.__doc__
    test.body = body  # type: ignore[attr-defined]
    marked: Callable[[], None] = pytest.mark.root(test)
    return marked


async def _run(body: Body, directory: Path) -> None:
    lab = Lab(directory)
    await lab.set_up()
    try:
        await body(lab)
    finally:
        await lab.tear_down()


def main() -> int:
    module, name = sys.argv[1:]
    body = getattr(importlib.import_module(module), name).body
    assert inspect.iscoroutinefunction(body)
    with tempfile.TemporaryDirectory(prefix="dockyard-net-") as directory:
        try:
            asyncio.run(_run(body, Path(directory)))
        except BaseException:
            traceback.print_exc()
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
