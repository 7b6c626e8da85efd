"""Limits: the API's HostConfig → the OCI spec's ``linux.resources`` and ``process.rlimits``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.container.defaults import DEVICE_RULES
from engine.errdefs import InvalidParameter

CPU_PERIOD = 100_000  # µs; what --cpus is counted in

# "c 1:* rwm": type, major, minor, access
_DEVICE_RULE = re.compile(r"([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})")

_RLIMITS = frozenset(
    {
        *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss"),
        *("rtprio", "rttime", "sigpending", "stack"),
    }
)


def resources(host_config: Mapping[str, Any], devices: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """``linux.resources`` of a container.

    devices: rules of the devices cgroup for the host devices it was given (engine.container.devices).
    """
    result: dict[str, Any] = {"devices": _device_rules(host_config, devices)}
    for key, value in (
        ("memory", memory(host_config)),
        ("cpu", cpu(host_config)),
        ("pids", pids(host_config)),
        ("blockIO", block_io(host_config)),
    ):
        if value:
            result[key] = value
    return result


def limits(host_config: Mapping[str, Any]) -> dict[str, Any]:
    """What `docker update` changes on a running container: memory, cpu, pids and blockIO."""
    parts = {"memory": memory, "cpu": cpu, "pids": pids, "blockIO": block_io}
    return {key: value for key, make in parts.items() if (value := make(host_config))}


def memory(host: Mapping[str, Any]) -> dict[str, Any]:
    """Bytes. MemorySwap is memory and swap together: -1 unlimited, 0 twice the memory."""
    result: dict[str, Any] = {}
    limit, swap = host.get("Memory") or 0, host.get("MemorySwap") or 0
    if limit:
        result["limit"] = limit
        result["swap"] = swap or 2 * limit
    elif swap:
        result["swap"] = swap
    if host.get("MemoryReservation"):
        result["reservation"] = host["MemoryReservation"]
    swappiness = host.get("MemorySwappiness")
    if swappiness is not None and swappiness != -1:
        result["swappiness"] = swappiness
    if host.get("OomKillDisable"):
        result["disableOOMKiller"] = True
    return result


def cpu(host: Mapping[str, Any]) -> dict[str, Any]:
    """NanoCpus is 10⁻⁹ CPUs and the same as a quota of a period of 100 ms."""
    result: dict[str, Any] = {}
    if host.get("NanoCpus"):
        result["period"] = CPU_PERIOD
        result["quota"] = host["NanoCpus"] * CPU_PERIOD // 1_000_000_000
    for ours, theirs in (
        ("CpuShares", "shares"),
        ("CpuQuota", "quota"),
        ("CpuPeriod", "period"),
        ("CpuRealtimePeriod", "realtimePeriod"),
        ("CpuRealtimeRuntime", "realtimeRuntime"),
        ("CpusetCpus", "cpus"),
        ("CpusetMems", "mems"),
    ):
        if host.get(ours):
            result[theirs] = host[ours]
    return result


def pids(host: Mapping[str, Any]) -> dict[str, Any]:
    """None and 0 say nothing; -1 is without limit."""
    limit = host.get("PidsLimit") or 0
    return {"limit": limit} if limit else {}


def block_io(host: Mapping[str, Any]) -> dict[str, Any]:
    """Weights, and rates per device. Entries must bear ``Major`` and ``Minor`` beside the API's
    ``Path``, which `engine.container.devices.with_block_numbers` adds; others are left out."""
    result: dict[str, Any] = {}
    if host.get("BlkioWeight"):
        result["weight"] = host["BlkioWeight"]
    for ours, theirs, value in (
        ("BlkioWeightDevice", "weightDevice", "Weight"),
        ("BlkioDeviceReadBps", "throttleReadBpsDevice", "Rate"),
        ("BlkioDeviceWriteBps", "throttleWriteBpsDevice", "Rate"),
        ("BlkioDeviceReadIOps", "throttleReadIOPSDevice", "Rate"),
        ("BlkioDeviceWriteIOps", "throttleWriteIOPSDevice", "Rate"),
    ):
        entries = [
            {"major": entry["Major"], "minor": entry["Minor"], value.lower(): entry[value]}
            for entry in host.get(ours) or ()
            if "Major" in entry
        ]
        if entries:
            result[theirs] = entries
    return result


def device_rule(text: str) -> dict[str, Any]:
    """One ``--device-cgroup-rule``. Raises InvalidParameter with docker's words."""
    match = _DEVICE_RULE.fullmatch(text)
    if match is None:
        raise InvalidParameter(f"invalid device cgroup rule format: '{text}'")
    kind, major, minor, access = match.groups()
    number = {"*": -1}
    return {
        "allow": True,
        "type": kind,
        "major": number.get(major) or int(major),
        "minor": number.get(minor) or int(minor),
        "access": access,
    }


def _device_rules(host: Mapping[str, Any], devices: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if host.get("Privileged"):
        return [{"allow": True, "access": "rwm"}]
    own = [device_rule(text) for text in host.get("DeviceCgroupRules") or ()]
    return [dict(rule) for rule in (*DEVICE_RULES, *devices, *own)]


def rlimits(
    ulimits: Sequence[Mapping[str, Any]], defaults: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """``process.rlimits`` from the API's Ulimits; defaults are the daemon's --default-ulimit."""
    merged: dict[str, dict[str, Any]] = {}
    for limit in (*defaults, *ulimits):
        name = str(limit.get("Name", "")).lower()
        soft, hard = limit.get("Soft") or 0, limit.get("Hard") or 0
        if name not in _RLIMITS:
            raise InvalidParameter(f"invalid ulimit type: {name}")
        if hard != -1 and (soft == -1 or soft > hard):
            raise InvalidParameter(
                f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
            )
        merged[name] = {"type": f"RLIMIT_{name.upper()}", "hard": _unsigned(hard), "soft": _unsigned(soft)}
    return list(merged.values())


def _unsigned(value: int) -> int:
    """-1 is RLIM_INFINITY, as a uint64 in the OCI spec."""
    return value & 0xFFFFFFFFFFFFFFFF
