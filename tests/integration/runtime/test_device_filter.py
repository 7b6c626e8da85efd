"""The eBPF device filter of cgroup v2, in the empty v2 tree that stands beside v1 on many hosts."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.linux import device_filter

pytestmark = pytest.mark.root

DENY_ALL = {"allow": False, "access": "rwm"}
NULL = {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"}


def _tree() -> Path | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line:
            return Path(line.split()[4])
    return None


@pytest.fixture
def group() -> Iterator[Path]:
    tree = _tree()
    if tree is None:
        pytest.skip("no cgroup v2 is mounted")
    path = tree / f"dockyard-filter-{os.getpid()}"
    path.mkdir()
    yield path
    path.rmdir()


def attempt(group: Path, tmp_path: Path, code: str) -> str:
    """Run Python code in the group; what it prints, or the name of the OSError."""
    script = (
        f"import os, stat\nopen({str(group / 'cgroup.procs')!r}, 'w').write('0')\n"
        f"try:\n    {code}\n    print('done')\nexcept OSError as exc:\n    print(type(exc).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    return done.stdout.strip()


def test_without_a_filter_all_devices_are_open(group: Path, tmp_path: Path) -> None:
    assert attempt(group, tmp_path, "open('/dev/zero').close()") == "done"


def test_what_is_not_permitted_is_refused(group: Path, tmp_path: Path) -> None:
    device_filter.attach(str(group), device_filter.assemble([DENY_ALL, NULL]))
    assert attempt(group, tmp_path, "open('/dev/null', 'r+b', 0).close()") == "done"
    assert attempt(group, tmp_path, "open('/dev/zero').close()") == "PermissionError"
    assert (
        attempt(group, tmp_path, "os.mknod('n', stat.S_IFBLK | 0o600, os.makedev(8, 0))") == "PermissionError"
    )


def test_making_a_node_and_opening_it_are_two_things(group: Path, tmp_path: Path) -> None:
    may_make = {"allow": True, "type": "c", "major": None, "minor": None, "access": "m"}
    device_filter.attach(str(group), device_filter.assemble([DENY_ALL, NULL, may_make]))
    assert attempt(group, tmp_path, "os.mknod('zero', stat.S_IFCHR | 0o600, os.makedev(1, 5))") == "done"
    assert stat.S_ISCHR((tmp_path / "zero").stat().st_mode)
    assert attempt(group, tmp_path, "open('zero').close()") == "PermissionError"


def test_reading_only_is_not_writing(group: Path, tmp_path: Path) -> None:
    read = {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "r"}
    device_filter.attach(str(group), device_filter.assemble([DENY_ALL, read]))
    assert attempt(group, tmp_path, "open('/dev/zero').close()") == "done"
    assert attempt(group, tmp_path, "open('/dev/zero', 'wb', 0).close()") == "PermissionError"


def test_a_single_denial_leaves_the_rest_open(group: Path, tmp_path: Path) -> None:
    zero = {"allow": False, "type": "c", "major": 1, "minor": 5, "access": "w"}
    device_filter.attach(str(group), device_filter.assemble([zero]))
    assert attempt(group, tmp_path, "open('/dev/zero').close()") == "done"
    assert attempt(group, tmp_path, "open('/dev/zero', 'wb', 0).close()") == "PermissionError"
    assert attempt(group, tmp_path, "open('/dev/null', 'wb', 0).close()") == "done"


def test_a_privileged_container_needs_no_filter() -> None:
    assert device_filter.assemble([DENY_ALL, {"allow": True, "access": "rwm"}]) == b""
    assert device_filter.assemble([]) == b""
