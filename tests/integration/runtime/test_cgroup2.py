"""The driver on a machine with nothing but cgroup version 2.

Such a machine is made of a mount namespace. Here the version 2 tree may have no controllers, since
version 1 holds them; then tests of limits have nothing to limit with, and are left out.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.root
LIMITS = "not memory and not pids_limit and not stats and not update"


@pytest.mark.slow
def test_the_contract_holds() -> None:
    repository = Path(__file__).parents[3]
    script = 'umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"'
    probe = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", "cat", "/sys/fs/cgroup/cgroup.controllers"],
        capture_output=True,
        text=True,
        check=True,
    )
    has_controllers = {"memory", "pids"} <= set(probe.stdout.split())
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/contract/test_execution.py",
    ]
    command += [] if has_controllers else ["-k", LIMITS]
    outcome = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *command],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert " passed" in outcome.stdout and " failed" not in outcome.stdout, outcome.stdout[-3000:]
