"""Use case: make a container, from what a client asks and what its image says."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.container import image_defaults, mountplan, timestamps, validate
from engine.container.defaulting import complete, warnings
from engine.container.live import describe
from engine.container.model import Container, MountPoint, Phase
from engine.container.names import validate as validate_name
from engine.container.wire import CreateRequest, as_dict
from engine.daemon import hostinfo
from engine.daemon.engine import Engine
from engine.daemon.populate import populate
from engine.driverapi import registry
from engine.errdefs import DockyardError, InvalidParameter, NotFound, SystemFailure
from engine.image.platform import fits
from engine.volume.records import ANONYMOUS, anonymous_name

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Created:
    """The answer to a create."""

    id: str
    warnings: list[str] = field(default_factory=list)


async def create(engine: Engine, request: CreateRequest, name: str = "", platform: str = "") -> Created:
    """Make the container and leave it in state created; nothing stays behind if that fails.

    name "" has the engine choose one. Raises NotFound for an unknown image, Conflict for a taken name,
    InvalidParameter for what can't be.
    """
    config, host, networking = _parts(request)
    if name:
        name = validate_name(name)
        engine.containers.check_name(name)
    image = engine.images.resolve(config["Image"])
    if not fits(image.config, platform):
        raise NotFound(
            f"image with reference {config['Image']} was found but is not for the platform {platform}"
        )
    config = image_defaults.merge(config, image.config.get("config") or {})
    settings = engine.config
    complete(
        host,
        log_driver=settings.log_driver,
        log_opts=settings.log_opts,
        shm_size=settings.default_shm_size,
        cgroup2=hostinfo.cgroup_version() == "2",
    )
    _resolve_network_mode(engine, host)
    validate.create(config, host)
    _check_links(engine, host)
    logging_to = host["LogConfig"]
    validate.log_config(
        logging_to["Type"], logging_to["Config"] or {}, lambda kind: registry.load("log", kind)
    )
    container = _record(engine, config, host, networking, name, image.id)
    engine.containers.add(container)
    try:
        await asyncio.to_thread(_make, engine, container, image.chain_id)
        container.phase = Phase.NONE
        engine.containers.save(container)
    except BaseException as exc:
        await asyncio.to_thread(unmake, engine, container)
        engine.containers.remove(container.id)
        if isinstance(exc, OSError):
            raise SystemFailure(f"can't make container {container.name}: {exc}") from exc
        raise
    engine.events.publish("container", "create", container.id, describe(container))
    return Created(container.id, warnings(host, cgroup2=hostinfo.cgroup_version() == "2"))


def _parts(request: CreateRequest) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Config, HostConfig and EndpointsConfig as plain dicts."""
    config = as_dict(request)
    host: dict[str, Any] = config.pop("HostConfig")
    networking: dict[str, Any] = config.pop("NetworkingConfig")
    if not config["Image"]:
        raise InvalidParameter("no image specified: name one in the field Image")
    config["Labels"] = {key: value or "" for key, value in (config.get("Labels") or {}).items()}
    endpoints = networking.get("EndpointsConfig") or {}
    # The CLI calls the default network "default"; inspect shows it by its name.
    named = {"bridge" if ref == "default" else ref: settings for ref, settings in endpoints.items()}
    return config, host, named


def _resolve_network_mode(engine: Engine, host: dict[str, Any]) -> None:
    """``container:<name>`` is kept as ``container:<id>``, so that renaming does not break it."""
    kind, _, reference = host["NetworkMode"].partition(":")
    if kind == "container" and reference:
        try:
            host["NetworkMode"] = f"container:{engine.containers.get(reference).id}"
        except NotFound as exc:
            # Not a 404: to clients that would mean that the image is missing.
            raise InvalidParameter(str(exc)) from exc


def _check_links(engine: Engine, host: dict[str, Any]) -> None:
    """Links count on the default network alone; there, each must lead to a container."""
    for link in (host.get("Links") or ()) if host["NetworkMode"] == "bridge" else ():
        target = link.lstrip("/").partition(":")[0]
        try:
            engine.containers.get(target)
        except NotFound as exc:
            raise InvalidParameter(f"could not get container for {target}: {exc}") from exc


def _record(
    engine: Engine,
    config: dict[str, Any],
    host: dict[str, Any],
    networking: dict[str, Any],
    name: str,
    image_id: str,
) -> Container:
    container_id = secrets.token_hex(32)
    if not config.get("Hostname"):
        shares = host["NetworkMode"] == "host" or host.get("UTSMode") == "host"
        config["Hostname"] = os.uname().nodename if shares else container_id[:12]
        if host["NetworkMode"].startswith("container:"):
            config["Hostname"] = ""
    path, args = image_defaults.command(config)
    return Container(
        id=container_id,
        name=name or engine.containers.free_name(),
        created=timestamps.now(),
        path=path,
        args=args,
        image=config["Image"],
        image_id=image_id,
        config=config,
        host_config=host,
        networking=networking,
        network_settings={"Networks": _networks(host["NetworkMode"], networking)},
        mounts=_mounts(engine, config, host),
        phase=Phase.CREATING,
    )


def _networks(mode: str, networking: dict[str, Any]) -> dict[str, Any]:
    """What inspect shows under Networks before the first start."""
    if mode.startswith("container:"):
        return {}
    names = list(networking) or [mode]
    return {name: {"NetworkID": "", **(networking.get(name) or {})} for name in names}


def _mounts(engine: Engine, config: dict[str, Any], host: dict[str, Any]) -> list[MountPoint]:
    """The plan, with names chosen for anonymous volumes: the record must know them before they exist."""

    def volumes_of(reference: str) -> list[MountPoint]:
        try:
            return engine.containers.get(reference).mounts
        except NotFound as exc:
            raise InvalidParameter(str(exc)) from exc

    mounts = mountplan.plan(config, host, volumes_of, lambda path: Path(path).exists())
    for mount in mounts:
        if mount.type == "volume" and not mount.name:
            mount.name = anonymous_name()
    return mounts


def _make(engine: Engine, container: Container, chain_id: str | None) -> None:
    """Directory, rw layer, volumes. Blocks."""
    engine.containers.directory(container.id).mkdir(mode=0o710, parents=True)
    engine.layers.create_rw(container.id, chain_id)
    labels = {
        raw["Target"]: (raw.get("VolumeOptions") or {}) for raw in container.host_config.get("Mounts") or ()
    }
    fresh = []
    for mount in container.mounts:
        if mount.type == "volume":
            _make_volume(engine, container, mount, labels.get(mount.destination) or {})
            if mount.copy_up:
                fresh.append(mount)
    if fresh:
        populate(engine, container, fresh)


def _make_volume(engine: Engine, container: Container, mount: MountPoint, asked: dict[str, Any]) -> None:
    labels = dict(asked.get("Labels") or {})
    if mount.anonymous:
        labels[ANONYMOUS] = ""
    options = (asked.get("DriverConfig") or {}).get("Options") or {}
    volume = engine.volumes.create(mount.name, mount.driver, options, labels)
    engine.volumes.hold(volume.name, container.id)
    mount.driver, mount.source = volume.driver, str(volume.mountpoint)


def unmake(engine: Engine, container: Container) -> None:
    """Undo `_make`, or what a crash left of it. Blocks; errors are logged, never raised."""

    def volumes() -> None:
        engine.volumes.release(container.id)
        for mount in container.mounts:
            # One may exist that was not held, or not even recorded, yet.
            if mount.type == "volume" and mount.anonymous and not engine.volumes.users(mount.name):
                engine.volumes.discard(mount.name)

    for undo in (
        volumes,
        lambda: engine.layers.remove_rw(container.id),
        lambda: remove_directory(engine.containers.directory(container.id)),
    ):
        try:
            undo()
        except (DockyardError, OSError) as exc:
            log.warning("can't undo the creation of container %s: %s", container.id, exc)


def remove_directory(directory: Path) -> None:
    """Delete a container's directory and what lies in it; a missing one is no error."""
    try:
        entries = list(os.scandir(directory))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            remove_directory(Path(entry.path))
        else:
            Path(entry.path).unlink(missing_ok=True)
    directory.rmdir()
