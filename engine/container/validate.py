"""What a create or update may ask, checked before anything is made. Messages are docker's.

One table of rules; each takes the request's parts and returns what is wrong, or None. Mounts are checked
by `mountplan`, sysctls, capabilities and seccomp by the spec.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.container import signals
from engine.errdefs import InvalidParameter, NotFound

MIN_MEMORY = 6 << 20
MILLISECOND = 10**6
_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)

_NO_LINKS = "networking can't be used with links. This would result in undefined behavior"

Part = Mapping[str, Any]


def create(config: dict[str, Any], host: dict[str, Any]) -> None:
    """Check both parts; WorkingDir comes out cleaned. Raises InvalidParameter."""
    for rule in (*_CONFIG_RULES, *_HOST_RULES):
        if (wrong := rule(config, host)) is not None:
            raise InvalidParameter(wrong)
    if config.get("WorkingDir"):
        config["WorkingDir"] = posixpath.normpath(config["WorkingDir"])
    if config.get("StopSignal"):
        signals.parse(config["StopSignal"])


def update(resources: Part) -> None:
    """Check limits and restart policy of an update (zero values mean unchanged). Raises InvalidParameter."""
    for rule in _UPDATE_RULES:
        if (wrong := rule({}, resources)) is not None:
            raise InvalidParameter(wrong)


def _working_dir(config: Part, host: Part) -> str | None:
    directory = config.get("WorkingDir") or "/"
    if directory.startswith("/"):
        return None
    return f"the working directory '{directory}' is invalid, it needs to be an absolute path"


def _environment(config: Part, host: Part) -> str | None:
    bad = [one for one in config.get("Env") or () if not one.partition("=")[0]]
    return f"invalid environment variable: {bad[0]}" if bad else None


def _healthcheck(config: Part, host: Part) -> str | None:
    check = config.get("Healthcheck") or {}
    for key in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        if check.get(key) and check[key] < MILLISECOND:
            return f"{key} in Healthcheck cannot be less than 1ms"
    return "Retries in Healthcheck cannot be negative" if check.get("Retries", 0) < 0 else None


def _exposed_ports(config: Part, host: Part) -> str | None:
    for port in (*(config.get("ExposedPorts") or ()), *(host.get("PortBindings") or ())):
        if not _port(port):
            return f'invalid port specification: "{port}"'
    for bindings in (host.get("PortBindings") or {}).values():
        for binding in bindings or ():
            if binding.get("HostPort") and not _port(binding["HostPort"]):
                return f'invalid port specification: "{binding["HostPort"]}"'
    return None


def _port(text: str) -> bool:
    match = _PORT.fullmatch(text)
    return match is not None and all(0 <= int(number) <= 65535 for number in match.groups()[:2] if number)


def _restart_policy(config: Part, host: Part) -> str | None:
    policy = host.get("RestartPolicy") or {}
    name, count = policy.get("Name") or "", policy.get("MaximumRetryCount") or 0
    if name in ("", "no", "always", "unless-stopped"):
        if count:
            negative = " and cannot be negative" if count < 0 else ""
            return f"invalid restart policy: maximum retry count can only be used with 'on-failure'{negative}"
    elif name == "on-failure":
        if count < 0:
            return "invalid restart policy: maximum retry count cannot be negative"
    else:
        known = "'no', 'always', 'on-failure', or 'unless-stopped'"
        return f"invalid restart policy: unknown policy '{name}'; use one of {known}"
    return None


def _auto_remove(config: Part, host: Part) -> str | None:
    name = (host.get("RestartPolicy") or {}).get("Name") or "no"
    if host.get("AutoRemove") and name != "no":
        return "can't create 'AutoRemove' container with restart policy"
    return None


def _memory(config: Part, host: Part) -> str | None:
    memory, swap = host.get("Memory") or 0, host.get("MemorySwap") or 0
    reservation, swappiness = host.get("MemoryReservation") or 0, host.get("MemorySwappiness")
    if 0 < memory < MIN_MEMORY or memory < 0:
        return "Minimum memory limit allowed is 6MB"
    if memory and 0 < swap < memory:
        return "Minimum memoryswap limit should be larger than memory limit, see usage"
    if not memory and swap > 0:
        return "You should always set the Memory limit when using Memoryswap limit, see usage"
    if swappiness is not None and not -1 <= swappiness <= 100:
        return f"Invalid value: {swappiness}, valid memory swappiness range is 0-100"
    if 0 < reservation < MIN_MEMORY:
        return "Minimum memory reservation allowed is 6MB"
    if memory and reservation > memory:
        return "Minimum memory limit can not be less than memory reservation limit, see usage"
    return None


def _cpu(config: Part, host: Part) -> str | None:
    nano, period, quota = (host.get(key) or 0 for key in ("NanoCpus", "CpuPeriod", "CpuQuota"))
    if nano and period:
        return "Conflicting options: Nano CPUs and CPU Period cannot both be set"
    if nano and quota:
        return "Conflicting options: Nano CPUs and CPU Quota cannot both be set"
    cpus = os.cpu_count() or 1
    if nano < 0 or nano > cpus * 10**9:
        return f"range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"
    if (host.get("CpuShares") or 0) < 0:
        return f"invalid CPU shares ({host['CpuShares']}): value must be a positive integer"
    if period and not 1000 <= period <= 1_000_000:
        return "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
    if 0 < quota < 1000:
        return "CPU cfs quota can not be less than 1ms (i.e. 1000)"
    return None


def _cpuset(config: Part, host: Part) -> str | None:
    for key, word in (("CpusetCpus", "cpus"), ("CpusetMems", "mems")):
        text = host.get(key) or ""
        wanted = parse_list(text)
        if wanted is None:
            return f"Invalid value {text} for cpuset {word}: invalid format: {text}"
        last = (os.cpu_count() or 1) - 1
        available = _memory_nodes() if word == "mems" else f"0-{last}" if last else "0"
        if wanted - (parse_list(available) or set()):
            things = "memory nodes" if word == "mems" else "CPUs"
            return f"Requested {things} are not available - requested {text}, available: {available}"
    return None


def _memory_nodes() -> str:
    """The host's memory nodes as a kernel list; a kernel without NUMA has one."""
    try:
        return Path("/sys/devices/system/node/online").read_text().strip()
    except OSError:
        return "0"


def parse_list(text: str) -> set[int] | None:
    """A kernel list (``0-2,5``) as a set; None if it is malformed. Source: cpuset(7), "List format"."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or len(part) > 11:
            return None
        low, high = int(first), int(last or first)
        if low > high or high >= 8192:
            return None
        found.update(range(low, high + 1))
    return found


def _other_limits(config: Part, host: Part) -> str | None:
    weight = host.get("BlkioWeight") or 0
    if weight and not 10 <= weight <= 1000:
        return "Range of blkio weight is from 10 to 1000"
    if not -1000 <= (host.get("OomScoreAdj") or 0) <= 1000:
        return f"Invalid value {host['OomScoreAdj']}, range for oom score adj is [-1000, 1000]"
    return "SHM size can not be less than 0" if (host.get("ShmSize") or 0) < 0 else None


def _modes(config: Part, host: Part) -> str | None:
    """Namespace modes are words of a small language."""
    for key, words, label in (
        ("PidMode", ("", "host", "private"), "PID mode"),
        ("IpcMode", ("", "host", "private", "shareable", "none"), "IPC mode"),
        ("UTSMode", ("", "host"), "UTS mode"),
        ("UsernsMode", ("", "host"), "user namespace mode"),
        ("CgroupnsMode", ("", "host", "private"), "cgroup namespace mode"),
    ):
        value = host.get(key) or ""
        shared = key in ("PidMode", "IpcMode") and value.startswith("container:") and value != "container:"
        if value not in words and not shared:
            return f"invalid {label}: {value}"
    if host.get("NetworkMode") == "container:":
        return "invalid network mode: invalid container format container:<name|id>"
    isolation = host.get("Isolation") or ""
    if isolation in ("", "default"):
        return None
    return f"invalid isolation: \"{isolation}\" - linux only supports 'default'"


def _network_conflicts(config: Part, host: Part) -> str | None:
    mode = host.get("NetworkMode") or ""
    if config.get("Hostname") and host.get("UTSMode") == "host":
        return "conflicting options: hostname and the UTS mode"
    if mode == "host" and host.get("Links"):
        return f"conflicting options: host type {_NO_LINKS}"
    if not mode.startswith("container:"):
        return None
    for value, words in (
        (config.get("Hostname"), "hostname and the network mode"),
        (
            host.get("Links"),
            f"container type {_NO_LINKS}",
        ),
        (host.get("Dns"), "dns and the network mode"),
        (host.get("ExtraHosts"), "custom host-to-IP mapping and the network mode"),
        (config.get("MacAddress"), "mac-address and the network mode"),
        (
            host.get("PortBindings") or host.get("PublishAllPorts"),
            "port publishing and the container type network mode",
        ),
        (config.get("ExposedPorts"), "port exposing and the container type network mode"),
    ):
        if value:
            return f"conflicting options: {words}"
    return None


def _extra_hosts(config: Part, host: Part) -> str | None:
    for one in host.get("ExtraHosts") or ():
        name, colon, address = one.partition(":")
        if not (name and colon and address):
            return f'bad format for add-host: "{one}"'
    return None


def _runtime(config: Part, host: Part) -> str | None:
    name = host.get("Runtime") or ""
    return None if name in RUNTIMES else f"unknown or invalid runtime name: {name}"


def _abilities(config: Part, host: Part) -> str | None:
    """What no driver here provides is refused, as docker does without one, instead of passed over."""
    if host.get("StorageOpt"):
        return "--storage-opt is not supported: no storage driver here limits what a container writes"
    for request in host.get("DeviceRequests") or ():
        wanted = " ".join(f"[{' '.join(one)}]" for one in request.get("Capabilities") or ())
        driver = request.get("Driver") or ""
        return f'could not select device driver "{driver}" with capabilities: [{wanted}]'
    return None


RUNTIMES = ("", "native", "runc", "io.containerd.runc.v2")

Rule = Callable[[Part, Part], str | None]
_CONFIG_RULES: tuple[Rule, ...] = (_working_dir, _environment, _healthcheck, _exposed_ports)
_UPDATE_RULES: tuple[Rule, ...] = (_restart_policy, _memory, _cpu, _cpuset, _other_limits)
_HOST_RULES: tuple[Rule, ...] = (
    *_UPDATE_RULES,
    _auto_remove,
    _modes,
    _network_conflicts,
    _extra_hosts,
    _runtime,
    _abilities,
)


def log_config(kind: str, options: Mapping[str, str], load: Callable[[str], Any]) -> None:
    """Check the log driver's name and options. load: name → driver class, InvalidParameter if unknown."""
    try:
        driver = load(kind)
    except (InvalidParameter, NotFound) as exc:
        raise InvalidParameter(f"logger: no log driver named '{kind}' is registered") from exc
    driver().validate(options)
