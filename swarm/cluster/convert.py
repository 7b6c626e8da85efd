"""From what engines answer to what the manager keeps. Pure.

Resources of stopped containers count: they can be started where they lie.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.errdefs import SystemFailure
from scheduler.models import NANO, Container, Port, PortRequest
from swarm.cluster.node import EngineFacts

SWARM_ID = "com.docker.swarm.id"


def engine_facts(info: Mapping[str, Any], version: Mapping[str, Any], ip: str) -> EngineFacts:
    """From `/info` and `/version`; SystemFailure if it is an engine without an id or a name."""
    if not info.get("ID") or not info.get("Name"):
        raise SystemFailure("the engine has no id or no name; is it a Docker engine?")
    labels = dict(split_label(text) for text in info.get("Labels") or ())
    labels |= {
        "storagedriver": info.get("Driver", ""),
        "kernelversion": info.get("KernelVersion", ""),
        "operatingsystem": info.get("OperatingSystem", ""),
        "ostype": info.get("OSType", ""),
    }
    return EngineFacts(
        id=info["ID"],
        name=info["Name"],
        ip=ip,
        cpus=int(info.get("NCPU") or 0),
        memory=int(info.get("MemTotal") or 0),
        labels=labels,
        server_version=info.get("ServerVersion") or version.get("Version", ""),
        api_version=version.get("ApiVersion") or "1.24",
        min_api_version=version.get("MinAPIVersion") or "1.24",
        architecture=info.get("Architecture", ""),
        kernel=info.get("KernelVersion", ""),
        system=info.get("OperatingSystem", ""),
    )


def split_label(text: str) -> tuple[str, str]:
    """``key=value`` → pair."""
    key, _, value = text.partition("=")
    return key, value


def placed_container(inspect: Mapping[str, Any], cpus: int) -> Container:
    """The scheduler's view of an inspected container. cpus: of its node, to read --cpu-shares."""
    config = inspect.get("Config") or {}
    host = inspect.get("HostConfig") or {}
    return Container(
        id=inspect["Id"],
        name=inspect["Name"].lstrip("/"),
        image=config.get("Image", ""),
        labels=config.get("Labels") or {},
        nano_cpus=_nano_cpus_in_use(host, cpus),
        memory=int(host.get("Memory") or 0),
        ports=tuple(_ports_in_use(inspect)),
    )


def _nano_cpus_in_use(host: Mapping[str, Any], cpus: int) -> int:
    nano = int(host.get("NanoCpus") or 0)
    return nano or math.ceil(int(host.get("CpuShares") or 0) * cpus / 1024) * NANO


def _ports_in_use(inspect: Mapping[str, Any]) -> Iterator[Port]:
    host = inspect.get("HostConfig") or {}
    if host.get("NetworkMode") == "host":
        for key in (inspect.get("Config") or {}).get("ExposedPorts") or {}:
            for number in _numbers(key.partition("/")[0]):
                yield Port(_proto(key), number, host_network=True)
        return
    live = (inspect.get("NetworkSettings") or {}).get("Ports") or {}
    seen = set()
    for bindings in (live, host.get("PortBindings") or {}):
        for key, targets in bindings.items():
            for target in targets or ():
                numbers = _numbers(target.get("HostPort") or "")
                if len(numbers) == 1:
                    port = Port(_proto(key), numbers[0], target.get("HostIp") or "")
                    if port not in seen:
                        seen.add(port)
                        yield port


def port_requests(body: Mapping[str, Any]) -> Iterator[PortRequest]:
    """The host ports that a create asks for. Ephemeral ones (0 or empty) are always free."""
    host = body.get("HostConfig") or {}
    if host.get("NetworkMode") == "host":
        for key in body.get("ExposedPorts") or {}:
            for number in _numbers(key.partition("/")[0]):
                yield PortRequest(_proto(key), number, number, host_network=True)
        return
    for key, targets in (host.get("PortBindings") or {}).items():
        for target in targets or ():
            numbers = _numbers(target.get("HostPort") or "")
            if numbers:
                yield PortRequest(_proto(key), numbers[0], numbers[-1], target.get("HostIp") or "")


def _proto(key: str) -> str:
    return key.partition("/")[2].lower() or "tcp"


def _numbers(text: str) -> range:
    """``80`` or ``8000-8010``; empty for no or an ephemeral port."""
    first, _, last = str(text).partition("-")
    if not first.isdigit() or int(first) == 0:
        return range(0)
    return range(int(first), (int(last) if last.isdigit() else int(first)) + 1)


def without_none(values: Iterable[Any] | None) -> list[Any]:
    """Go's null lists are empty ones."""
    return [v for v in values or () if v is not None]
