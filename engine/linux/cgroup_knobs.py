"""One table of resource limits: OCI `linux.resources` → files of cgroup v1 and v2.

`render` gets the whole resources object and returns what to write, one string a write; nothing
when the resource was not asked for. Sources: kernel Documentation/admin-guide/cgroup-v1 and
cgroup-v2.rst; OCI runtime spec, config-linux.md.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Resources = dict[str, Any]
    Render = Callable[[Resources], list[str]]


class Knob:
    """A file of a controller. optional: its absence on this kernel is no error."""

    __slots__ = ("controller", "file", "optional", "render")

    def __init__(self, controller: str, file: str, render: Render, *, optional: bool = False) -> None:
        self.controller, self.file, self.render, self.optional = controller, file, render, optional


def _get(resources: Resources, section: str, key: str) -> Any:
    return (resources.get(section) or {}).get(key)


def _number(section: str, key: str, *, positive: bool = False) -> Render:
    def render(resources: Resources) -> list[str]:
        value = _get(resources, section, key)
        if value is None or (positive and value <= 0):
            return []
        return [str(value)]

    return render


def _text(section: str, key: str) -> Render:
    def render(resources: Resources) -> list[str]:
        value = _get(resources, section, key)
        return [value] if value else []

    return render


def _limit(section: str, key: str, unlimited: str) -> Render:
    """-1 is no limit, 0 the same as absent."""

    def render(resources: Resources) -> list[str]:
        value = _get(resources, section, key)
        return [] if not value else [unlimited if value < 0 else str(value)]

    return render


def _oom_disable(resources: Resources) -> list[str]:
    return ["1"] if _get(resources, "memory", "disableOOMKiller") else []


def _swappiness(resources: Resources) -> list[str]:
    value = _get(resources, "memory", "swappiness")
    return [] if value is None or value < 0 else [str(value)]


def _swap_v2(resources: Resources) -> list[str]:
    """OCI counts memory and swap together, version 2 swap alone."""
    total, memory = _get(resources, "memory", "swap"), _get(resources, "memory", "limit") or 0
    if not total:
        return []
    if total < 0:
        return ["max"]
    return [str(max(total - memory, 0))] if memory > 0 else []


def weight(shares: int) -> int:
    """cpu.shares (2 … 262144) on the scale of cpu.weight (1 … 10000)."""
    shares = min(max(shares, 2), 262144)
    return 1 + (shares - 2) * 9999 // 262142


def _weight(resources: Resources) -> list[str]:
    shares = _get(resources, "cpu", "shares")
    return [str(weight(shares))] if shares else []


def _cpu_max(resources: Resources) -> list[str]:
    quota, period = _get(resources, "cpu", "quota"), _get(resources, "cpu", "period")
    if not quota and not period:
        return []
    return [f"{quota if quota and quota > 0 else 'max'} {period or 100000}"]


def _io_weight(resources: Resources) -> list[str]:
    """blkio's scale (10 … 1000) on that of io.weight (1 … 10000)."""
    value = _get(resources, "blockIO", "weight")
    return [str(1 + (min(max(value, 10), 1000) - 10) * 9999 // 990)] if value else []


def _throttle(key: str, prefix: str = "") -> Render:
    def render(resources: Resources) -> list[str]:
        rows = _get(resources, "blockIO", key) or []
        return [f"{row['major']}:{row['minor']} {prefix}{row['rate']}" for row in rows]

    return render


def _weight_devices(resources: Resources) -> list[str]:
    rows = _get(resources, "blockIO", "weightDevice") or []
    return [f"{row['major']}:{row['minor']} {row['weight']}" for row in rows if row.get("weight")]


def _blkio_weight(resources: Resources) -> list[str]:
    value = _get(resources, "blockIO", "weight")
    return [str(value)] if value else []


def device_rule(rule: dict[str, Any]) -> str:
    """An OCI device rule in the words of the v1 devices controller: "c 1:3 rwm"."""

    def part(value: int | None) -> str:
        return "*" if value is None or value < 0 else str(value)

    kind = rule.get("type") or "a"
    if kind == "a":
        return "a"
    return f"{kind} {part(rule.get('major'))}:{part(rule.get('minor'))} {rule.get('access') or 'rwm'}"


#: What every container may use whatever its rules say: the nodes we make in /dev, terminals, and
#: mknod of anything (making a node is not opening it).
DEVICES_ALWAYS: tuple[str, ...] = (
    "c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm",
    "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm",
)  # fmt: skip


def _parse_rule(text: str) -> dict[str, Any]:
    kind, numbers, access = text.split()
    major, minor = ((None if part == "*" else int(part)) for part in numbers.split(":"))
    return {"allow": True, "type": kind, "major": major, "minor": minor, "access": access}


def device_rules(resources: Resources) -> list[dict[str, Any]]:
    """The rules asked for, and those that every container gets; none where none were asked for."""
    asked: list[dict[str, Any]] = list(resources.get("devices") or [])
    if not asked or any(rule.get("allow") and device_rule(rule) == "a" for rule in asked):
        return asked
    return asked + [_parse_rule(text) for text in DEVICES_ALWAYS]


def _devices(allow: bool) -> Render:
    def render(resources: Resources) -> list[str]:
        return [device_rule(rule) for rule in device_rules(resources) if bool(rule.get("allow")) is allow]

    return render


V1: tuple[Knob, ...] = (
    Knob("memory", "memory.limit_in_bytes", _limit("memory", "limit", "-1")),
    Knob("memory", "memory.soft_limit_in_bytes", _limit("memory", "reservation", "-1")),
    # absent without swap accounting; the daemon warns of that at create
    Knob("memory", "memory.memsw.limit_in_bytes", _limit("memory", "swap", "-1"), optional=True),
    Knob("memory", "memory.swappiness", _swappiness, optional=True),
    Knob("memory", "memory.oom_control", _oom_disable),
    Knob("cpu", "cpu.shares", _number("cpu", "shares", positive=True)),
    Knob("cpu", "cpu.cfs_period_us", _number("cpu", "period", positive=True)),
    Knob("cpu", "cpu.cfs_quota_us", _limit("cpu", "quota", "-1")),
    Knob("cpu", "cpu.rt_period_us", _number("cpu", "realtimePeriod", positive=True)),
    Knob("cpu", "cpu.rt_runtime_us", _number("cpu", "realtimeRuntime", positive=True)),
    Knob("cpuset", "cpuset.cpus", _text("cpu", "cpus")),
    Knob("cpuset", "cpuset.mems", _text("cpu", "mems")),
    Knob("pids", "pids.max", _limit("pids", "limit", "max")),
    Knob("blkio", "blkio.bfq.weight", _blkio_weight, optional=True),
    Knob("blkio", "blkio.bfq.weight_device", _weight_devices, optional=True),
    Knob("blkio", "blkio.throttle.read_bps_device", _throttle("throttleReadBpsDevice")),
    Knob("blkio", "blkio.throttle.write_bps_device", _throttle("throttleWriteBpsDevice")),
    Knob("blkio", "blkio.throttle.read_iops_device", _throttle("throttleReadIOPSDevice")),
    Knob("blkio", "blkio.throttle.write_iops_device", _throttle("throttleWriteIOPSDevice")),
    Knob("devices", "devices.deny", _devices(False), optional=True),
    Knob("devices", "devices.allow", _devices(True), optional=True),
)

# Devices have no file in version 2: they are an eBPF program attached to the group (device_filter).
V2: tuple[Knob, ...] = (
    Knob("memory", "memory.max", _limit("memory", "limit", "max")),
    Knob("memory", "memory.low", _limit("memory", "reservation", "max")),
    Knob("memory", "memory.swap.max", _swap_v2, optional=True),
    Knob("cpu", "cpu.weight", _weight),
    Knob("cpu", "cpu.max", _cpu_max),
    Knob("cpuset", "cpuset.cpus", _text("cpu", "cpus")),
    Knob("cpuset", "cpuset.mems", _text("cpu", "mems")),
    Knob("pids", "pids.max", _limit("pids", "limit", "max")),
    Knob("io", "io.bfq.weight", _blkio_weight, optional=True),
    Knob("io", "io.weight", _io_weight, optional=True),  # what counts where the scheduler is not BFQ
    Knob("io", "io.max", _throttle("throttleReadBpsDevice", "rbps=")),
    Knob("io", "io.max", _throttle("throttleWriteBpsDevice", "wbps=")),
    Knob("io", "io.max", _throttle("throttleReadIOPSDevice", "riops=")),
    Knob("io", "io.max", _throttle("throttleWriteIOPSDevice", "wiops=")),
)
