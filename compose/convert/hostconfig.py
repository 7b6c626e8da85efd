"""A service → the HostConfig of the Engine API, as one table.

Each row: attribute → (field, conversion). What needs more than its own attribute (ports, mounts,
networks) has a module of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compose.loader.units import parse_size
from compose.model import Body

Convert = Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _ulimits(value: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"Name": name, "Soft": limit["soft"], "Hard": limit["hard"]}
        if isinstance(limit, dict)
        else {"Name": name, "Soft": limit, "Hard": limit}
        for name, limit in sorted(value.items())
    ]


def _devices(value: list[dict[str, str]]) -> list[dict[str, str]]:
    return [
        {"PathOnHost": d["source"], "PathInContainer": d["target"], "CgroupPermissions": d["permissions"]}
        for d in value
    ]


def _extra_hosts(value: list[str]) -> list[str]:
    return [item.replace("=", ":", 1) for item in value]


def _tmpfs(value: list[str]) -> dict[str, str]:
    return {path: options for path, _, options in (item.partition(":") for item in value)}


def _restart(value: str) -> dict[str, Any]:
    name, _, count = value.partition(":")
    policy: dict[str, Any] = {"Name": name}
    if count:
        policy["MaximumRetryCount"] = int(count)
    return policy


def _logging(value: dict[str, Any]) -> dict[str, Any]:
    return {"Type": value.get("driver", ""), "Config": value.get("options") or {}}


def _nano(value: Any) -> int:
    return round(float(value) * 1_000_000_000)


TABLE: dict[str, tuple[str, Convert]] = {
    "annotations": ("Annotations", _same),
    "cap_add": ("CapAdd", _same),
    "cap_drop": ("CapDrop", _same),
    "cgroup": ("CgroupnsMode", _same),
    "cgroup_parent": ("CgroupParent", _same),
    "cpu_count": ("CpuCount", _same),
    "cpu_percent": ("CpuPercent", _same),
    "cpu_period": ("CpuPeriod", _same),
    "cpu_quota": ("CpuQuota", _same),
    "cpu_rt_period": ("CpuRealtimePeriod", _same),
    "cpu_rt_runtime": ("CpuRealtimeRuntime", _same),
    "cpu_shares": ("CpuShares", _same),
    "cpus": ("NanoCpus", _nano),
    "cpuset": ("CpusetCpus", _same),
    "device_cgroup_rules": ("DeviceCgroupRules", _same),
    "devices": ("Devices", _devices),
    "dns": ("Dns", _same),
    "dns_opt": ("DnsOptions", _same),
    "dns_search": ("DnsSearch", _same),
    "extra_hosts": ("ExtraHosts", _extra_hosts),
    "group_add": ("GroupAdd", _same),
    "init": ("Init", _same),
    "ipc": ("IpcMode", _same),
    "isolation": ("Isolation", _same),
    "logging": ("LogConfig", _logging),
    "mem_limit": ("Memory", parse_size),
    "mem_reservation": ("MemoryReservation", parse_size),
    "mem_swappiness": ("MemorySwappiness", _same),
    "memswap_limit": ("MemorySwap", parse_size),
    "oom_kill_disable": ("OomKillDisable", _same),
    "oom_score_adj": ("OomScoreAdj", _same),
    "pid": ("PidMode", _same),
    "pids_limit": ("PidsLimit", _same),
    "privileged": ("Privileged", _same),
    "read_only": ("ReadonlyRootfs", _same),
    "restart": ("RestartPolicy", _restart),
    "runtime": ("Runtime", _same),
    "security_opt": ("SecurityOpt", _same),
    "shm_size": ("ShmSize", parse_size),
    "storage_opt": ("StorageOpt", _same),
    "sysctls": ("Sysctls", _same),
    "tmpfs": ("Tmpfs", _tmpfs),
    "ulimits": ("Ulimits", _ulimits),
    "userns_mode": ("UsernsMode", _same),
    "uts": ("UTSMode", _same),
}

_CONDITIONS = {"any": "unless-stopped", "on-failure": "on-failure", "none": "no"}
_BLKIO = {
    "device_read_bps": "BlkioDeviceReadBps",
    "device_read_iops": "BlkioDeviceReadIOps",
    "device_write_bps": "BlkioDeviceWriteBps",
    "device_write_iops": "BlkioDeviceWriteIOps",
}


def host_config(body: Body) -> dict[str, Any]:
    """All of the HostConfig that follows from single attributes, and from `deploy`."""
    result: dict[str, Any] = {}
    _from_deploy(body.get("deploy") or {}, result)
    for attribute, (name, convert) in TABLE.items():
        value = body.get(attribute)
        if value is not None:
            result[name] = convert(value)
    for device in body.get("gpus") or ():
        result.setdefault("DeviceRequests", []).append(_device_request(device))
    if body.get("blkio_config"):
        _blkio(body["blkio_config"], result)
    return result


def _from_deploy(deploy: dict[str, Any], result: dict[str, Any]) -> None:
    resources = deploy.get("resources") or {}
    limits, reservations = resources.get("limits") or {}, resources.get("reservations") or {}
    if limits.get("cpus"):
        result["NanoCpus"] = _nano(limits["cpus"])
    if limits.get("memory"):
        result["Memory"] = limits["memory"]
    if limits.get("pids"):
        result["PidsLimit"] = limits["pids"]
    if reservations.get("memory"):
        result["MemoryReservation"] = reservations["memory"]
    for device in reservations.get("devices") or ():
        result.setdefault("DeviceRequests", []).append(_device_request(device))
    policy = deploy.get("restart_policy")
    if policy:
        name = _CONDITIONS.get(policy.get("condition", "any"), "unless-stopped")
        result["RestartPolicy"] = {"Name": name}
        if name == "on-failure" and policy.get("max_attempts"):
            result["RestartPolicy"]["MaximumRetryCount"] = int(policy["max_attempts"])


def _device_request(device: Any) -> dict[str, Any]:
    if device == "all":
        device = {"count": "all"}
    count = device.get("count", -1 if not device.get("device_ids") else 0)
    return {
        "Driver": device.get("driver", ""),
        "Count": -1 if count == "all" else int(count),
        "DeviceIDs": device.get("device_ids") or [],
        "Capabilities": [device.get("capabilities") or ["gpu"]],
        "Options": device.get("options") or {},
    }


def _blkio(config: dict[str, Any], result: dict[str, Any]) -> None:
    if config.get("weight") is not None:
        result["BlkioWeight"] = int(config["weight"])
    if config.get("weight_device"):
        result["BlkioWeightDevice"] = [
            {"Path": item["path"], "Weight": int(item["weight"])} for item in config["weight_device"]
        ]
    for attribute, name in _BLKIO.items():
        if config.get(attribute):
            result[name] = [
                {"Path": item["path"], "Rate": parse_size(item["rate"])} for item in config[attribute]
            ]
