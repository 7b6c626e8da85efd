"""What the daemon says about the machine it runs on."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


@cache
def operating_system() -> str:
    """PRETTY_NAME of os-release(5)."""
    for path in (Path("/etc/os-release"), Path("/usr/lib/os-release")):
        try:
            lines = path.read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            key, _, value = line.partition("=")
            if key == "PRETTY_NAME":
                return value.strip().strip("\"'")
    return "Linux"


@cache
def os_version() -> str:
    """VERSION_ID of os-release(5)."""
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return ""
    found = (line.partition("=")[2].strip("\"'") for line in lines if line.startswith("VERSION_ID="))
    return next(found, "")


def memory_bytes() -> int:
    """Physical memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def architecture() -> str:
    """As GOARCH names it, which the API's Arch members use."""
    machine = os.uname().machine
    return {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}.get(machine, machine)


@cache
def cgroup_version() -> str:
    """ "2" where the unified hierarchy is mounted at the top, else "1"."""
    return "2" if (_CGROUP / "cgroup.controllers").exists() else "1"


# The API's member → the controller that it needs and, on v1, the file of the controller's that shows it.
_ABILITIES: dict[str, tuple[str, str]] = {
    "MemoryLimit": ("memory", "memory.limit_in_bytes"),
    "SwapLimit": ("memory", "memory.memsw.limit_in_bytes"),
    "CpuCfsPeriod": ("cpu", "cpu.cfs_period_us"),
    "CpuCfsQuota": ("cpu", "cpu.cfs_quota_us"),
    "CPUShares": ("cpu", "cpu.shares"),
    "CPUSet": ("cpuset", "cpuset.cpus"),
    "PidsLimit": ("pids", ""),
    "OomKillDisable": ("memory", "memory.oom_control"),
}


def limits() -> dict[str, bool]:
    """Which limits the kernel's cgroups can enforce here, under the API's names."""
    if cgroup_version() == "2":
        have = (_CGROUP / "cgroup.controllers").read_text().split()
        return {name: need in have and name != "OomKillDisable" for name, (need, _) in _ABILITIES.items()}
    return {name: (_CGROUP / need / file).exists() for name, (need, file) in _ABILITIES.items()}


def ip_forwarding() -> bool:
    """Whether the daemon's network namespace routes IPv4."""
    try:
        return Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1"
    except OSError:
        return False
