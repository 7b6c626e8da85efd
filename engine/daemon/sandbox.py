"""A container's place on the network: from its record to the controller, and back into what inspect shows."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from engine.container.model import Container
from engine.daemon.engine import Engine
from engine.errdefs import Conflict, Forbidden, NotFound
from engine.network.hosts import revised_hosts, revised_resolv_conf
from engine.network.model import ContainerNet, Sandbox

log = logging.getLogger(__name__)

_VOLATILE: dict[str, Any] = {
    "EndpointID": "",
    "Gateway": "",
    "IPAddress": "",
    "MacAddress": "",
    "IPPrefixLen": 0,
    "IPv6Gateway": "",
    "GlobalIPv6Address": "",
    "GlobalIPv6PrefixLen": 0,
}


def container_net(container: Container) -> ContainerNet:
    """What the network controller needs to know of a container."""
    config, host = container.config, container.host_config
    return ContainerNet(
        id=container.id,
        name=container.name,
        hostname=config.get("Hostname") or "",
        domainname=config.get("Domainname") or "",
        mode=container.network_mode,
        endpoints=_endpoints(container),
        exposed=tuple(config.get("ExposedPorts") or ()),
        port_bindings=host.get("PortBindings") or {},
        publish_all=bool(host.get("PublishAllPorts")),
        dns=tuple(host.get("Dns") or ()),
        dns_search=tuple(host.get("DnsSearch") or ()),
        dns_options=tuple(host.get("DnsOptions") or ()),
        extra_hosts=tuple(host.get("ExtraHosts") or ()),
        links=tuple(host.get("Links") or ()),
    )


def _endpoints(container: Container) -> dict[str, dict[str, Any] | None]:
    """Old clients give the address of the network card with the container, not with its endpoint."""
    endpoints: dict[str, dict[str, Any] | None] = dict(container.networking)
    mac = container.config.get("MacAddress")
    mode = container.network_mode
    if mac and not mode.startswith(("container:", "host", "none")):
        settings = endpoints.get(mode) or {}
        endpoints[mode] = {**settings, "MacAddress": settings.get("MacAddress") or mac}
    return endpoints


def show(container: Container, sandbox: Sandbox) -> None:
    """Put a sandbox into NetworkSettings. The caller saves the record."""
    container.network_settings = {
        "SandboxID": sandbox.id,
        "SandboxKey": sandbox.key,
        "Ports": sandbox.ports,
        "Networks": sandbox.networks,
    }


def rewrite(directory: Path, before: Sandbox | None, after: Sandbox) -> None:
    """Bring /etc/hosts and /etc/resolv.conf of a running container up to date, in place: they are bound."""
    if before is None:
        return
    for name, revised, old, new in (
        ("hosts", revised_hosts, before.hosts, after.hosts),
        ("resolv.conf", revised_resolv_conf, before.resolv_conf, after.resolv_conf),
    ):
        path = directory / name
        try:
            current = path.read_text()
            if (text := revised(current, old, new)) != current:
                path.write_text(text)
        except OSError as exc:
            log.warning("cannot rewrite %s: %s", path, exc)


def hide(container: Container) -> None:
    """The sandbox is gone: the networks stay in NetworkSettings, without addresses. The caller saves."""
    networks = container.network_settings.get("Networks") or {}
    container.network_settings = {
        "Networks": {name: {**settings, **_VOLATILE} for name, settings in networks.items()}
    }


async def connect(
    engine: Engine, network_ref: str, container_ref: str, settings: dict[str, Any] | None
) -> None:
    """Put a container on a network, at once if it runs, else from its next start on.

    Raises NotFound, Forbidden (it is on it already, or a host or foreign namespace), InvalidParameter.
    """
    network = engine.networks.resolve(network_ref)
    container = engine.containers.get(container_ref)
    async with engine.containers.live(container.id).lock:
        mode = container.network_mode
        if network.name == "host":
            raise Forbidden("container cannot be disconnected from host network or connected to host network")
        if mode.startswith("container:") or mode == "host":
            raise Forbidden(
                "container sharing network namespace with another container or host "
                "cannot be connected to any other network"
            )
        networks = container.network_settings.get("Networks") or {}
        if network.name in networks:
            raise Forbidden(f"endpoint with name {container.name} already exists in network {network.name}")
        if container.running:
            before = engine.networks.sandbox(container.id)
            place = await engine.networks.connect(network.id, container_net(container), settings or {})
            rewrite(engine.containers.directory(container.id), before, place)
            show(container, place)
        else:
            networks = {name: one for name, one in networks.items() if name != "none"}
            networks[network.name] = {**(settings or {}), "NetworkID": network.id}
            container.network_settings = {**container.network_settings, "Networks": networks}
        _remember(engine, container, _name(engine, mode))
        container.networking[network.name] = dict(settings or {})
        if mode == "none":
            container.host_config["NetworkMode"] = network.name
            container.networking.pop("none", None)
        engine.containers.save(container)


async def disconnect(engine: Engine, network_ref: str, container_ref: str, *, force: bool = False) -> None:
    """Take a container from a network, running or not."""
    network = engine.networks.resolve(network_ref)
    container = engine.containers.find(container_ref)
    if container is None:
        if not force:
            engine.containers.get(container_ref)
        await engine.networks.disconnect(network.id, ContainerNet(container_ref, container_ref), force)
        return
    async with engine.containers.live(container.id).lock:
        mode = container.network_mode
        if mode.startswith("container:") or "host" in (mode, network.name):
            raise Forbidden("container cannot be disconnected from host network or connected to host network")
        networks = dict(container.network_settings.get("Networks") or {})
        if container.running:
            before = engine.networks.sandbox(container.id)
            sandbox = await engine.networks.disconnect(network.id, container_net(container), force)
            if sandbox is not None:
                rewrite(engine.containers.directory(container.id), before, sandbox)
                show(container, sandbox)
        else:
            if network.name not in networks:
                raise Conflict(f"container {container.id} is not connected to the network {network.name}")
            del networks[network.name]
            container.network_settings = {**container.network_settings, "Networks": networks}
        _remember(engine, container, _name(engine, mode))
        container.networking.pop(network.name, None)
        if _name(engine, mode) == network.name:
            container.host_config["NetworkMode"] = next(iter(container.networking), "none")
        engine.containers.save(container)


def _remember(engine: Engine, container: Container, mode: str) -> None:
    """Say in full what a bare NetworkMode implies, before endpoints are added or removed.

    Clients name networks by id, and the default one "default"; from here on they go by their names.
    """
    named = {_name(engine, ref): settings for ref, settings in container.networking.items()}
    container.networking = named if mode in named else {mode: {}, **named}


def _name(engine: Engine, ref: str) -> str:
    if ref == "default":
        return "bridge"
    try:
        return engine.networks.resolve(ref).name
    except NotFound:  # removed while the container was stopped
        return ref
