"""A container's place on the network: from its record to the controller, and back into what inspect shows."""

from __future__ import annotations

from typing import Any

from engine.container.model import Container
from engine.daemon.engine import Engine
from engine.errdefs import Conflict, Forbidden
from engine.network.model import ContainerNet, Sandbox

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
        if mode.startswith("container:") or "host" in (mode, network.name):
            raise Forbidden("container cannot be disconnected from host network or connected to host network")
        networks = container.network_settings.get("Networks") or {}
        if network.name in networks:
            raise Forbidden(f"endpoint with name {container.name} already exists in network {network.name}")
        if container.running:
            show(
                container, await engine.networks.connect(network.id, container_net(container), settings or {})
            )
        else:
            networks = {name: one for name, one in networks.items() if name != "none"}
            networks[network.name] = {**(settings or {}), "NetworkID": network.id}
            container.network_settings = {**container.network_settings, "Networks": networks}
        _remember(container, mode)
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
            sandbox = await engine.networks.disconnect(network.id, container_net(container), force)
            if sandbox is not None:
                show(container, sandbox)
        else:
            if network.name not in networks:
                raise Conflict(f"container {container.id} is not connected to the network {network.name}")
            del networks[network.name]
            container.network_settings = {**container.network_settings, "Networks": networks}
        _remember(container, mode)
        container.networking.pop(network.name, None)
        if mode == network.name:
            container.host_config["NetworkMode"] = next(iter(container.networking), "none")
        engine.containers.save(container)


def _remember(container: Container, mode: str) -> None:
    """Say in full what a bare NetworkMode implies, before endpoints are added or removed."""
    if mode not in container.networking:
        container.networking = {mode: {}, **container.networking}
