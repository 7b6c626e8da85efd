"""What tests may leave behind: processes, mounts, links, named namespaces, cgroups.

A survey before and one after; the difference must be empty but for what nobody of us makes.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

OURS = (
    "dockyard",
    "pydocker",
    "pyswarm",
    "spawner.py",
    "dockerd",
    "containerd",
    "docker-registry",
    "etcd",
    "sshd",
)
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
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")[:3]
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        text = b" ".join(words).decode("utf-8", "replace")
        if state != "Z" and any(word in text for word in OURS):
            found.add(f"process {entry.name} {text}")
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
