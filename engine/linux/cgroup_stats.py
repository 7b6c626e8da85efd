"""Usage of a control group in the Docker API's shape (`GET /containers/{id}/stats`)."""

from __future__ import annotations

import os

from engine.linux.cgroup import Cgroup, _read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TICKS_TO_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
#: v2 counts time in microseconds
_US_TO_NS = 1000

#: Member of blkio_stats, file of the v1 blkio controller. Without BFQ only the first two exist.
_BLKIO_V1: tuple[tuple[str, str], ...] = (
    ("io_service_bytes_recursive", "blkio.throttle.io_service_bytes_recursive"),
    ("io_serviced_recursive", "blkio.throttle.io_serviced_recursive"),
    ("io_queue_recursive", "blkio.io_queued_recursive"),
    ("io_service_time_recursive", "blkio.io_service_time_recursive"),
    ("io_wait_time_recursive", "blkio.io_wait_time_recursive"),
    ("io_merged_recursive", "blkio.io_merged_recursive"),
    ("io_time_recursive", "blkio.time_recursive"),
    ("sectors_recursive", "blkio.sectors_recursive"),
)


def flat(text: str) -> dict[str, int]:
    """A "flat keyed" file: one `name value` a line."""
    rows = (line.partition(" ") for line in text.splitlines())
    return {name: int(value) for name, _, value in rows if value.strip().lstrip("-").isdigit()}


def parse_blkio(text: str) -> list[dict[str, Any]]:
    """v1: lines `major:minor Operation value`, and a `Total value` that the API leaves out."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 3:
            major, _, minor = fields[0].partition(":")
            found.append({"major": int(major), "minor": int(minor), "op": fields[1], "value": int(fields[2])})
    return found


def parse_io_stat(text: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """v2 io.stat: lines `major:minor rbytes=… wbytes=… rios=… wios=…` as (bytes, operations)."""
    sizes: list[dict[str, Any]] = []
    counts: list[dict[str, Any]] = []
    columns = (
        ("rbytes", "read", sizes),
        ("wbytes", "write", sizes),
        ("rios", "read", counts),
        ("wios", "write", counts),
    )
    for line in text.splitlines():
        device, *pairs = line.split()
        major, _, minor = device.partition(":")
        values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        for key, op, target in columns:
            if key in values:
                target.append({"major": int(major), "minor": int(minor), "op": op, "value": int(values[key])})
    return sizes, counts


def system_cpu_usage(proc_stat: str) -> int:
    """All time the machine's processors were accounted for, in ns: the first line of /proc/stat."""
    fields = proc_stat.partition("\n")[0].split()
    return sum(int(value) for value in fields[1:9]) * _TICKS_TO_NS


def _text(path: str) -> str:
    try:
        return _read(path)
    except OSError:
        return ""


def _number(path: str) -> int:
    text = _text(path).strip()
    return int(text) if text.lstrip("-").isdigit() else 0


def _total_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def read(cgroup: Cgroup) -> dict[str, Any]:
    """Usage now: keys cpu_stats, memory_stats, pids_stats, blkio_stats. What is not there is zero."""
    sections = _v1(cgroup) if cgroup.layout.version == 1 else _v2(cgroup)
    cpu = sections["cpu_stats"]
    cpu["system_cpu_usage"] = system_cpu_usage(_text("/proc/stat"))
    cpu["online_cpus"] = len(os.sched_getaffinity(0))
    memory = sections["memory_stats"]
    memory["limit"] = min(memory["limit"] or _total_memory(), _total_memory())
    return sections


def _v1(cgroup: Cgroup) -> dict[str, Any]:
    cpu, acct = cgroup.directory("cpu"), cgroup.directory("cpuacct")
    memory, pids, blkio = (cgroup.directory(name) for name in ("memory", "pids", "blkio"))
    usage, throttled = flat(_text(f"{acct}/cpuacct.stat")), flat(_text(f"{cpu}/cpu.stat"))
    stats = flat(_text(f"{memory}/memory.stat"))
    return {
        "cpu_stats": {
            "cpu_usage": {
                "total_usage": _number(f"{acct}/cpuacct.usage"),
                "percpu_usage": [int(value) for value in _text(f"{acct}/cpuacct.usage_percpu").split()],
                "usage_in_kernelmode": usage.get("system", 0) * _TICKS_TO_NS,
                "usage_in_usermode": usage.get("user", 0) * _TICKS_TO_NS,
            },
            "throttling_data": {
                "periods": throttled.get("nr_periods", 0),
                "throttled_periods": throttled.get("nr_throttled", 0),
                "throttled_time": throttled.get("throttled_time", 0),
            },
        },
        "memory_stats": {
            "usage": _number(f"{memory}/memory.usage_in_bytes"),
            "max_usage": _number(f"{memory}/memory.max_usage_in_bytes"),
            "stats": stats,
            "failcnt": _number(f"{memory}/memory.failcnt"),
            "limit": _number(f"{memory}/memory.limit_in_bytes"),
        },
        "pids_stats": _pids(f"{pids}/pids"),
        "blkio_stats": {member: parse_blkio(_text(f"{blkio}/{file}")) for member, file in _BLKIO_V1},
    }


def _v2(cgroup: Cgroup) -> dict[str, Any]:
    top = cgroup.directory("")
    cpu = flat(_text(f"{top}/cpu.stat"))
    sizes, counts = parse_io_stat(_text(f"{top}/io.stat"))
    blkio: dict[str, Any] = {member: None for member, _ in _BLKIO_V1}
    blkio.update(io_service_bytes_recursive=sizes, io_serviced_recursive=counts)
    return {
        "cpu_stats": {
            "cpu_usage": {
                "total_usage": cpu.get("usage_usec", 0) * _US_TO_NS,
                "usage_in_kernelmode": cpu.get("system_usec", 0) * _US_TO_NS,
                "usage_in_usermode": cpu.get("user_usec", 0) * _US_TO_NS,
            },
            "throttling_data": {
                "periods": cpu.get("nr_periods", 0),
                "throttled_periods": cpu.get("nr_throttled", 0),
                "throttled_time": cpu.get("throttled_usec", 0) * _US_TO_NS,
            },
        },
        "memory_stats": {
            "usage": _number(f"{top}/memory.current"),
            "stats": flat(_text(f"{top}/memory.stat")),
            "limit": _number(f"{top}/memory.max"),
        },
        "pids_stats": _pids(f"{top}/pids"),
        "blkio_stats": blkio,
    }


def _pids(prefix: str) -> dict[str, int]:
    limit = _text(f"{prefix}.max").strip()
    # the API says "no limit" with the largest number
    return {
        "current": _number(f"{prefix}.current"),
        "limit": int(limit) if limit.isdigit() else (1 << 64) - 1,
    }
