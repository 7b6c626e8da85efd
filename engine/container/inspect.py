"""A container as `GET /containers/{id}/json` and `/containers/json` show it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from engine.container.model import Container, Health, MountPoint, Status
from engine.container.timestamps import SECOND, ZERO, rfc3339nano

_CONFIG_OMIT_EMPTY = (
    "ExposedPorts",
    "Healthcheck",
    "ArgsEscaped",
    "NetworkDisabled",
    "MacAddress",
    "StopSignal",
    "StopTimeout",
    "Shell",
)
_HOST_OMIT_EMPTY = ("Annotations", "StorageOpt", "Tmpfs", "Sysctls", "Init", "Mounts")
_ENDPOINT = {
    "EndpointID": "",
    "Gateway": "",
    "GlobalIPv6Address": "",
    "GlobalIPv6PrefixLen": 0,
    "IPAddress": "",
    "IPPrefixLen": 0,
    "IPv6Gateway": "",
    "MacAddress": "",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What inspect tells besides the record. sizes: (SizeRw, SizeRootFs) in bytes, if asked for."""

    directory: Path
    log_path: Path | None
    graph_name: str
    graph_data: Mapping[str, str]
    exec_ids: Sequence[str] = field(default_factory=tuple)
    sizes: tuple[int, int] | None = None


def inspect(one: Container, around: Surroundings) -> dict[str, Any]:
    """The API's ContainerInspectResponse."""
    document: dict[str, Any] = {
        "Id": one.id,
        "Created": rfc3339nano(one.created),
        "Path": one.path,
        "Args": one.args,
        "State": state(one),
        "Image": one.image_id,
        "ResolvConfPath": str(around.directory / "resolv.conf"),
        "HostnamePath": str(around.directory / "hostname"),
        "HostsPath": str(around.directory / "hosts"),
        "LogPath": str(around.log_path or ""),
        "Name": "/" + one.name,
        "RestartCount": one.restart_count,
        "Driver": around.graph_name,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": list(around.exec_ids) or None,
        "HostConfig": _without_empty(one.host_config, _HOST_OMIT_EMPTY),
        "GraphDriver": {"Data": dict(around.graph_data), "Name": around.graph_name},
        "Mounts": [mount(point) for point in one.mounts],
        "Config": _without_empty(one.config, _CONFIG_OMIT_EMPTY),
        "NetworkSettings": network_settings(one),
    }
    if around.sizes is not None:
        document["SizeRw"], document["SizeRootFs"] = around.sizes
    return document


def _without_empty(values: Mapping[str, Any], omit: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value or key not in omit}


def state(one: Container) -> dict[str, Any]:
    """State of inspect; Running is true of a paused and of a restarting container, too."""
    now = one.state
    document: dict[str, Any] = {
        "Status": str(now.status),
        "Running": one.active,
        "Paused": one.paused,
        "Restarting": now.status == Status.RESTARTING,
        "OOMKilled": now.oom_killed,
        "Dead": now.status == Status.DEAD,
        "Pid": now.pid,
        "ExitCode": now.exit_code,
        "Error": now.error,
        "StartedAt": rfc3339nano(now.started_at),
        "FinishedAt": rfc3339nano(now.finished_at) if now.finished_at else ZERO,
    }
    if now.health is not None:
        document["Health"] = health(now.health)
    return document


def health(value: Health) -> dict[str, Any]:
    """State.Health."""
    return {
        "Status": value.status,
        "FailingStreak": value.failing_streak,
        "Log": [
            {
                "Start": rfc3339nano(one.start),
                "End": rfc3339nano(one.end),
                "ExitCode": one.exit_code,
                "Output": one.output,
            }
            for one in value.log
        ],
    }


def mount(point: MountPoint) -> dict[str, Any]:
    """One of Mounts."""
    document: dict[str, Any] = {"Type": point.type}
    if point.name:
        document["Name"] = point.name
    document |= {"Source": point.source, "Destination": point.destination}
    if point.driver:
        document["Driver"] = point.driver
    return document | {"Mode": point.mode, "RW": point.rw, "Propagation": point.propagation}


def network_settings(one: Container) -> dict[str, Any]:
    """NetworkSettings, with the old members that repeat the default bridge's endpoint."""
    stored = one.network_settings
    networks: dict[str, Any] = stored.get("Networks") or {}
    bridge = networks.get("bridge") or {}
    return {
        "Bridge": "",
        "SandboxID": stored.get("SandboxID", ""),
        "SandboxKey": stored.get("SandboxKey", ""),
        "Ports": stored.get("Ports") or {},
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        **{key: bridge.get(key) or zero for key, zero in _ENDPOINT.items()},
        "Networks": networks,
    }


def ports(one: Container) -> list[dict[str, Any]]:
    """Ports of the list: each published one with its host address, the others bare."""
    found: list[dict[str, Any]] = []
    for key, bindings in (one.network_settings.get("Ports") or {}).items():
        number, _, proto = key.partition("/")
        if not bindings:
            found.append({"PrivatePort": int(number), "Type": proto})
        for binding in bindings or ():
            found.append(
                {
                    "IP": binding.get("HostIp", ""),
                    "PrivatePort": int(number),
                    "PublicPort": int(binding["HostPort"]),
                    "Type": proto,
                }
            )
    return found


def command(one: Container) -> str:
    """The command line; arguments with a space are quoted."""
    return " ".join([one.path, *(f"'{word}'" if " " in word else word for word in one.args)])


def summary(one: Container, image: str, sizes: tuple[int, int] | None = None) -> dict[str, Any]:
    """The list's entry without its Status, which depends on the hour. image: what to show for Image."""
    document: dict[str, Any] = {
        "Id": one.id,
        "Names": ["/" + one.name],
        "Image": image,
        "ImageID": one.image_id,
        "Command": command(one),
        "Created": one.created // SECOND,
        "Ports": ports(one),
        "Labels": one.labels,
        "State": str(one.state.status),
        "HostConfig": {"NetworkMode": one.network_mode},
        "NetworkSettings": {"Networks": one.network_settings.get("Networks") or {}},
        "Mounts": [mount(point) for point in one.mounts],
    }
    if sizes is not None:
        document["SizeRw"], document["SizeRootFs"] = sizes
    return document


def summary_head(one: Container, image: str, sizes: tuple[int, int] | None = None) -> bytes:
    """The entry as JSON up to the opening quote of its Status; the caller ends it with ``…"}``."""
    return msgspec.json.encode(summary(one, image, sizes))[:-1] + b',"Status":"'
