"""What tests may leave behind: processes, mounts, links, named namespaces, cgroups.

A survey before and one after; the difference must be empty but for what nobody of us makes.
"""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

#: Set in our environment, and so in that of every process a test starts.
MARK = "DOCKYARD_TEST_SESSION"
os.environ.setdefault(MARK, uuid.uuid4().hex)
CGROUP_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Survey:
    """Sets of names, one a kind."""

    processes: frozenset[str]
    mounts: frozenset[str]
    links: frozenset[str]
    cgroups: frozenset[str]
    netns: frozenset[str]


def _processes() -> frozenset[str]:
    """Processes that this session started, directly or not: they have inherited our mark.

    Spawners, monitors and containers start with an environment of their own; they are known by their
    title and their cgroup.
    """
    mark = f"{MARK}={os.environ[MARK]}".encode()
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in {os.getpid(), os.getppid()}:
            continue
        try:
            title = (entry / "cmdline").read_bytes().replace(b"\0", b" ").strip()
            marked = mark in (entry / "environ").read_bytes().split(b"\0")
            contained = b"/dockyard-" in (entry / "cgroup").read_bytes()
        except OSError:
            continue
        shim = title.startswith(b"dockyard-") or b"engine/shim/spawner.py" in title
        if title and (marked or contained or shim):  # a zombie has no title
            found.add(f"process {entry.name} {title[:100].decode('utf-8', 'replace')}")
    return frozenset(found)


def _mounts() -> frozenset[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return frozenset(f"mount {line.split()[4]}" for line in lines)


def _links() -> frozenset[str]:
    return frozenset(f"link {entry.name}" for entry in Path("/sys/class/net").iterdir())


def _cgroups() -> frozenset[str]:
    found = set()
    for hierarchy in CGROUP_ROOT.glob("*"):
        for name in ("dockyard*", "pydocker*"):
            found.update(f"cgroup {path}" for path in hierarchy.glob(name) if path.is_dir())
    for name in ("dockyard*", "pydocker*"):
        found.update(f"cgroup {path}" for path in CGROUP_ROOT.glob(name) if path.is_dir())
    return frozenset(found)


def _netns() -> frozenset[str]:
    directory = Path("/run/netns")
    return frozenset(f"netns {e.name}" for e in directory.iterdir()) if directory.is_dir() else frozenset()


def survey() -> Survey:
    """What is there now."""
    return Survey(_processes(), _mounts(), _links(), _cgroups(), _netns())


def since(before: Survey, *, patience: float = 5.0) -> list[str]:
    """What is there now and was not before; the kernel gets `patience` seconds to finish removals."""
    deadline = time.monotonic() + patience
    while True:
        now = survey()
        found = [
            item
            for kind in Survey.__dataclass_fields__
            for item in sorted(getattr(now, kind) - getattr(before, kind))
        ]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)
