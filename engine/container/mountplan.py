"""Which mounts a container gets: Binds, Mounts, VolumesFrom and the volumes of its config, put together.

Pure but for one look at the host, through `exists`: a bind source that a client names in Mounts must
be there. Precedence, as docker has it: Binds and Mounts (which may not name one place twice), then
VolumesFrom, then the volumes of config and image where nothing else is mounted.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from engine.container import bindspec
from engine.container.model import MountPoint
from engine.errdefs import InvalidParameter

Lookup = Callable[[str], Iterable[MountPoint]]


def plan(
    config: Mapping[str, Any],
    host_config: Mapping[str, Any],
    volumes_of: Lookup,
    exists: Callable[[str], bool],
) -> list[MountPoint]:
    """All mounts but HostConfig.Tmpfs, in the order named. Volumes are not made yet.

    volumes_of: the mounts of another container, NotFound if there is none. Raises InvalidParameter.
    """
    inherited: dict[str, MountPoint] = {}
    for spec in host_config.get("VolumesFrom") or ():
        for mount in _from_container(spec, volumes_of):
            inherited[mount.destination] = mount
    driver = host_config.get("VolumeDriver") or ""
    asked: dict[str, MountPoint] = {}
    binds = (_bind(raw, driver) for raw in host_config.get("Binds") or ())
    mounts = (_mount(raw, exists) for raw in host_config.get("Mounts") or ())
    for mount in (*binds, *mounts):
        if mount.destination in asked:
            raise InvalidParameter(f"Duplicate mount point: {mount.destination}")
        asked[mount.destination] = mount
    taken = inherited | asked
    for target in host_config.get("Tmpfs") or ():
        if not target.startswith("/"):
            raise InvalidParameter(f"invalid mount path: '{target}' mount path must be absolute")
        clean = bindspec.check_target("tmpfs", target)
        if clean in asked:
            raise InvalidParameter(f"Duplicate mount point: {clean}")
        taken.pop(clean, None)
    tmpfs = {posixpath.normpath(target) for target in host_config.get("Tmpfs") or ()}
    for destination in config.get("Volumes") or ():
        target = bindspec.parse(destination).destination
        if target not in taken and target not in tmpfs:
            taken[target] = MountPoint("volume", target, driver=driver, anonymous=True, copy_up=True)
    return list(taken.values())


def _bind(raw: str, driver: str) -> MountPoint:
    spec = bindspec.parse(raw)
    mount = MountPoint(
        type="bind" if spec.is_bind else "volume",
        destination=spec.destination,
        mode=spec.mode,
        rw=spec.writable,
        propagation=spec.propagation,
        consistency=spec.consistency,
    )
    if spec.is_bind:
        mount.source, mount.create_source = spec.source, True
        return mount
    mount.name, mount.driver = spec.source, driver
    mount.anonymous, mount.copy_up = not spec.source, spec.copy
    mount.mode = mount.mode or ("z" if spec.source else "")
    return mount


def _mount(raw: Mapping[str, Any], exists: Callable[[str], bool]) -> MountPoint:
    kind = raw.get("Type") or ""
    build = _KINDS.get(kind)
    target = bindspec.check_target(kind, raw.get("Target") or "")
    if build is None:
        raise InvalidParameter(f'invalid mount config for type "{kind}": mount type unknown')
    for field, owner in _OPTIONS.items():
        if raw.get(field) and owner != kind:
            raise InvalidParameter(
                f'invalid mount config for type "{kind}": field {field} must not be specified'
            )
    mount = MountPoint(kind, target, rw=not raw.get("ReadOnly"), consistency=raw.get("Consistency") or "")
    build(mount, raw, exists)
    return mount


def _bind_mount(mount: MountPoint, raw: Mapping[str, Any], exists: Callable[[str], bool]) -> None:
    words = 'invalid mount config for type "bind": '
    source = raw.get("Source") or ""
    options = raw.get("BindOptions") or {}
    if not source:
        raise InvalidParameter(f"{words}field Source must not be empty")
    if not source.startswith("/"):
        raise InvalidParameter(f"{words}invalid mount path: '{source}' mount path must be absolute")
    mount.source = posixpath.normpath(source)
    mount.create_source = bool(options.get("CreateMountpoint"))
    if not mount.create_source and not exists(mount.source):
        raise InvalidParameter(f"{words}bind source path does not exist: {source}")
    mount.propagation = options.get("Propagation") or "rprivate"
    if bindspec.parse_mode(mount.propagation).keys() != {"propagation"}:
        raise InvalidParameter(f"{words}invalid propagation mode: {mount.propagation}")
    mount.recursive = not options.get("NonRecursive")


def _volume_mount(mount: MountPoint, raw: Mapping[str, Any], exists: Callable[[str], bool]) -> None:
    options = raw.get("VolumeOptions") or {}
    mount.name = raw.get("Source") or ""
    mount.anonymous = not mount.name
    mount.copy_up = not options.get("NoCopy")
    mount.driver = (options.get("DriverConfig") or {}).get("Name") or ""
    mount.mode = "z"
    mount.subpath = options.get("Subpath") or ""
    if mount.subpath.startswith("/") or ".." in mount.subpath.split("/"):
        raise InvalidParameter(
            f'invalid mount config for type "volume": invalid subpath {mount.subpath!r}: it must be relative '
            "and stay inside of the volume"
        )


def _tmpfs_mount(mount: MountPoint, raw: Mapping[str, Any], exists: Callable[[str], bool]) -> None:
    if raw.get("Source"):
        raise InvalidParameter('invalid mount config for type "tmpfs": field Source must not be specified')
    options = raw.get("TmpfsOptions") or {}
    words = [] if mount.rw else ["ro"]
    if options.get("SizeBytes"):
        words.append(f"size={options['SizeBytes']}")
    if options.get("Mode"):
        words.append(f"mode={options['Mode']:o}")
    words += ["=".join(pair) for pair in options.get("Options") or ()]
    mount.options = ",".join(words)


_KINDS = {"bind": _bind_mount, "volume": _volume_mount, "tmpfs": _tmpfs_mount}
_OPTIONS = {
    "BindOptions": "bind",
    "VolumeOptions": "volume",
    "TmpfsOptions": "tmpfs",
    "ImageOptions": "image",
}


def _from_container(spec: str, volumes_of: Lookup) -> list[MountPoint]:
    """`CONTAINER[:ro|rw]`: its mounts, tmpfs excepted, as they are there."""
    reference, _, mode = spec.partition(":")
    if not reference:
        raise InvalidParameter("malformed volumes-from specification: ")
    if mode not in ("", "ro", "rw", "z", "Z"):
        raise InvalidParameter(f"invalid mode: {mode}")
    copies = []
    for mount in volumes_of(reference):
        if mount.type == "tmpfs":
            continue
        copy = MountPoint(**{name: getattr(mount, name) for name in MountPoint.__struct_fields__})
        copy.rw = mount.rw and mode != "ro"
        copy.copy_up = False
        copies.append(copy)
    return copies
