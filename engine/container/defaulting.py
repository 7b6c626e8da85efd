"""What dockerd writes into a HostConfig that leaves things open, so that inspect shows what counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.container.defaults import DEFAULT_SHM_SIZE, MASKED_PATHS, READONLY_PATHS

RUNTIME = "native"


def complete(
    host: dict[str, Any],
    *,
    log_driver: str,
    log_opts: Mapping[str, str],
    shm_size: int = DEFAULT_SHM_SIZE,
    cgroup2: bool = False,
) -> None:
    """Fill in defaults, in place. The log options of the daemon count only for its own driver.

    cgroup2: the host has version 2 alone, where a privileged container, too, gets a view of its own.
    """
    if host.get("NetworkMode") in (None, "", "default"):
        host["NetworkMode"] = "bridge"
    log = host["LogConfig"]
    if not log.get("Type"):
        log["Type"] = log_driver
        log["Config"] = {**log_opts, **(log.get("Config") or {})}
    policy = host["RestartPolicy"]
    policy["Name"] = policy.get("Name") or "no"
    host["IpcMode"] = host.get("IpcMode") or "private"
    shares_cgroups = host.get("Privileged") and not cgroup2
    host["CgroupnsMode"] = host.get("CgroupnsMode") or ("host" if shares_cgroups else "private")
    host["Runtime"] = host.get("Runtime") or RUNTIME
    if not host.get("ShmSize") and (host["IpcMode"] in ("private", "shareable")):
        host["ShmSize"] = shm_size
    if host.get("Memory") and not host.get("MemorySwap"):
        host["MemorySwap"] = 2 * host["Memory"]
    if host.get("CpuShares") == 1:
        host["CpuShares"] = 2  # the kernel's least
    if host.get("MemorySwappiness") == -1:
        host["MemorySwappiness"] = None
    host["PidsLimit"] = host.get("PidsLimit") or None
    if not host.get("Privileged"):
        if host.get("MaskedPaths") is None:
            host["MaskedPaths"] = list(MASKED_PATHS)
        if host.get("ReadonlyPaths") is None:
            host["ReadonlyPaths"] = list(READONLY_PATHS)


def warnings(host: Mapping[str, Any], *, cgroup2: bool = False) -> list[str]:
    """What the client should know though the request is valid."""
    found = []
    if host.get("NetworkMode") == "host" and (host.get("PortBindings") or host.get("PublishAllPorts")):
        found.append("Published ports are discarded when using host network mode")
    if host.get("OomKillDisable") and not host.get("Memory"):
        found.append("OOM killer is disabled for the container, but no memory limit is set")
    if host.get("Init"):
        found.append("This engine does not put an init process into containers yet. Init discarded.")
    if cgroup2 and host.get("OomKillDisable"):
        found.append("Your kernel does not support OomKillDisable. OomKillDisable discarded.")
    if cgroup2 and host.get("MemorySwappiness") not in (None, -1):
        found.append(
            "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. "
            "Memory swappiness discarded."
        )
    return found
