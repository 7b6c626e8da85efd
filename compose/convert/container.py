"""A service → the body of POST /containers/create. Pure: ids of other containers are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from compose import labels
from compose.convert.hostconfig import host_config
from compose.convert.mounts import volume_fields
from compose.convert.networking import endpoint_config, ordered_networks, ports
from compose.loader.units import parse_duration
from compose.model import Body, Project
from compose.plan.hashing import config_hash

_NAMESPACES = {"network_mode": "NetworkMode", "ipc": "IpcMode", "pid": "PidMode", "uts": "UTSMode"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a container's configuration needs of the engine.

    image_id: for the label by which a changed image is noticed. containers: service → ids of its
    containers, those that this service depends on. inherited: target → anonymous volume of the
    container being replaced. local: the engine sees our files. node: of a cluster, where the container
    has to be; a scheduler reads that from its environment, and takes it out.
    """

    image_id: str = ""
    containers: Mapping[str, list[str]] = field(default_factory=dict)
    inherited: Mapping[str, str] = field(default_factory=dict)
    local: bool = True
    node: str = ""


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """body: of POST /containers/create. connect: further networks (name on the engine → settings)."""

    body: dict[str, Any]
    connect: dict[str, dict[str, Any]]


def create_request(
    project: Project, service: str, number: int, around: Surroundings, *, overrides: Body | None = None
) -> CreateRequest:
    """What creates container `number` of a service. `overrides`: attributes that a one-off changes."""
    own = {**project.services[service], **(overrides or {})}
    project = _with_service(project, service, own) if overrides else project
    host = host_config(own)
    binds, mounts, anonymous = volume_fields(project, service, around.inherited, local=around.local)
    exposed, bindings = ports(own)
    host.update({"Binds": binds, "PortBindings": bindings})
    if mounts:
        host["Mounts"] = mounts
    if own.get("volumes_from"):
        host["VolumesFrom"] = [_volumes_from(item, around.containers) for item in own["volumes_from"]]
    for attribute, name in _NAMESPACES.items():
        if own.get(attribute):
            host[name] = _namespace(own[attribute], around.containers)
    body: dict[str, Any] = {
        "Image": project.image_of(service),
        "Labels": {
            **(own.get("labels") or {}),
            **container_labels(project, service, number, around.image_id),
        },
        "ExposedPorts": exposed,
        "HostConfig": host,
        **_config(own),
    }
    if anonymous:
        body["Volumes"] = anonymous
    if around.node:
        body["Env"] = [*body["Env"], f"constraint:node=={around.node}"]
    return CreateRequest(*_join_networks(project, service, own, body, around))


def _with_service(project: Project, service: str, own: Body) -> Project:
    return replace(project, services={**project.services, service: own})


def _config(own: Body) -> dict[str, Any]:
    config: dict[str, Any] = {
        "Env": [
            f"{key}={value}" for key, value in (own.get("environment") or {}).items() if value is not None
        ],
        "Tty": bool(own.get("tty")),
        "OpenStdin": bool(own.get("stdin_open")),
        "StdinOnce": False,
        "AttachStdout": True,
        "AttachStderr": True,
    }
    if own.get("command") is not None:
        config["Cmd"] = own["command"]
    if own.get("entrypoint") is not None:
        # an empty entrypoint clears that of the image: the API's form of that is [""]
        config["Entrypoint"] = own["entrypoint"] or [""]
    for attribute, name in (
        ("hostname", "Hostname"),
        ("domainname", "Domainname"),
        ("user", "User"),
        ("working_dir", "WorkingDir"),
        ("stop_signal", "StopSignal"),
        ("mac_address", "MacAddress"),
    ):
        if own.get(attribute):
            config[name] = own[attribute]
    if own.get("stop_grace_period"):
        config["StopTimeout"] = -(-parse_duration(own["stop_grace_period"]) // 1_000_000_000)
    if own.get("healthcheck"):
        config["Healthcheck"] = healthcheck(own["healthcheck"])
    return config


def healthcheck(value: dict[str, Any]) -> dict[str, Any]:
    """The API's Healthcheck; what is left out comes from the image."""
    if value.get("disable"):
        return {"Test": ["NONE"]}
    names = {
        "interval": "Interval",
        "timeout": "Timeout",
        "start_period": "StartPeriod",
        "start_interval": "StartInterval",
    }
    result: dict[str, Any] = {
        field: parse_duration(value[key]) for key, field in names.items() if key in value
    }
    if value.get("test") is not None:
        result["Test"] = value["test"]
    if value.get("retries") is not None:
        result["Retries"] = value["retries"]
    return result


def container_labels(project: Project, service: str, number: int, image_id: str) -> dict[str, str]:
    """The conventional labels of a service's container."""
    return {
        labels.PROJECT: project.name,
        labels.SERVICE: service,
        labels.CONTAINER_NUMBER: str(number),
        labels.ONEOFF: "False",
        labels.CONFIG_HASH: config_hash(project, service),
        labels.IMAGE: image_id,
        labels.DEPENDS_ON: labels.encode_depends_on(project.services[service].get("depends_on") or {}),
        labels.WORKING_DIR: str(project.directory),
        labels.CONFIG_FILES: ",".join(project.files),
        labels.VERSION: labels.OUR_VERSION,
        **({labels.ENVIRONMENT_FILE: ",".join(project.env_files)} if project.env_files else {}),
    }


def _namespace(value: str, containers: Mapping[str, list[str]]) -> str:
    if value.startswith("service:"):
        return f"container:{containers[value.removeprefix('service:')][0]}"
    return value


def _volumes_from(value: str, containers: Mapping[str, list[str]]) -> str:
    if value.startswith("container:"):
        return value.removeprefix("container:")
    service, _, mode = value.partition(":")
    return f"{containers[service][0]}:{mode or 'rw'}"


def _join_networks(
    project: Project, service: str, own: Body, body: dict[str, Any], around: Surroundings
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Fill in the first network, and return the settings of those to connect after the creation:
    engines before API 1.44 take only one at creation."""
    names = ordered_networks(own)
    if not names:
        body["HostConfig"].setdefault(
            "NetworkMode", "none" if own.get("network_mode") == "none" else "default"
        )
        return body, {}
    links = _links(own, around.containers)
    settings = {project.networks[name]["name"]: endpoint_config(own, service, name, links) for name in names}
    first = project.networks[names[0]]["name"]
    body["HostConfig"]["NetworkMode"] = first
    body["NetworkingConfig"] = {"EndpointsConfig": {first: settings[first]}}
    return body, {name: value for name, value in settings.items() if name != first}


def _links(own: Body, containers: Mapping[str, list[str]]) -> list[str]:
    result: list[str] = []
    for link in own.get("links") or ():
        target, _, alias = link.partition(":")
        result.extend(f"{container}:{alias or target}" for container in containers.get(target, ()))
    result.extend(own.get("external_links") or ())
    return result
