"""What of a start lies on the disk: the root mounted, volumes and binds found, the user looked up.

All of it blocks and runs in one worker thread, beside the network's part.
"""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.container.devices import HostDevice, host_devices
from engine.container.model import Container, MountPoint
from engine.container.mounts import bind_mount, tmpfs_mount
from engine.container.users import Identity, resolve
from engine.daemon.engine import Engine
from engine.errdefs import InvalidParameter, SystemFailure
from engine.layer.confine import open_in_root
from engine.linux import mount as sys

_MAX_FILE = 4 << 20  # /etc/passwd and /etc/group of an image


@dataclass(frozen=True, slots=True)
class Root:
    """path: the mounted root. mounts: of volumes and binds, OCI. shm: a directory to share as /dev/shm."""

    path: Path
    mounts: list[dict[str, Any]]
    user: Identity
    devices: list[HostDevice]
    shm: str | None = None


def prepare(engine: Engine, container: Container) -> Root:
    """Mount and look up everything; what was mounted is undone by `release`, after a failure as well."""
    try:
        path = engine.layers.mount_rw(container.id)
        mounts = [_mount(engine, container, point) for point in container.mounts]
        user = identity(path, container.config.get("User") or "", container.host_config.get("GroupAdd") or ())
        devices = host_devices(container.host_config)
        return Root(path, mounts, user, devices, _shareable_shm(engine, container))
    except OSError as exc:
        raise SystemFailure(f"can't prepare the root of container {container.name}: {exc}") from exc


def release(engine: Engine, container: Container) -> None:
    """Undo `prepare`. Blocks; may be repeated."""
    for point in container.mounts:
        if point.type == "volume":
            engine.volumes.unmount(point.name, container.id)
    if container.host_config.get("IpcMode") == "shareable":
        try:
            sys.umount2(str(_shm(engine, container)), sys.MNT_DETACH)
        except OSError:
            pass  # it was never mounted
    engine.layers.unmount_rw(container.id)


def identity(root: Path, user: str, groups: Any) -> Identity:
    """Who a process runs as, by the passwd and group files in `root`. InvalidParameter for unknown names."""
    if user in ("", "0", "root", "0:0") and not groups:
        # What nearly all containers ask for needs only root's own line.
        return resolve("0", (), _read(root, "/etc/passwd"), _read(root, "/etc/group"))
    return resolve(user, groups, _read(root, "/etc/passwd"), _read(root, "/etc/group"))


def _read(root: Path, name: str) -> str:
    """A file inside of `root`, links resolved as in a chroot; "" if there is none."""
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = open_in_root(root_fd, name, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return ""
    finally:
        os.close(root_fd)
    try:
        return os.read(fd, min(os.fstat(fd).st_size, _MAX_FILE)).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(fd)


def _mount(engine: Engine, container: Container, point: MountPoint) -> dict[str, Any]:
    readonly = not point.rw
    if point.type == "tmpfs":
        return tmpfs_mount(point.destination, point.options)
    if point.type == "volume":
        source = engine.volumes.mount(
            point.name, container.id, destination=point.destination, read_only=readonly
        )
        point.source = str(source)
        return bind_mount(_subpath(source, point), point.destination, readonly=readonly)
    if not Path(point.source).exists():
        if not point.create_source:
            raise InvalidParameter(
                f'invalid mount config for type "bind": bind source path does not exist: {point.source}'
            )
        try:
            Path(point.source).mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise InvalidParameter(
                f"error while creating mount source path '{point.source}': mkdir: {exc.strerror}"
            ) from exc
    return bind_mount(
        point.source,
        point.destination,
        readonly=readonly,
        propagation=point.propagation,
        recursive=point.recursive,
    )


def _subpath(source: Path, point: MountPoint) -> str:
    """The directory inside of a volume that is mounted; it must be there, and links can't lead out."""
    if not point.subpath:
        return str(source)
    source_fd = os.open(source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = open_in_root(source_fd, point.subpath, os.O_PATH)
    except OSError as exc:
        raise InvalidParameter(
            f"cannot access path {posixpath.join(str(source), point.subpath)}: {exc.strerror}"
        ) from exc
    finally:
        os.close(source_fd)
    try:
        return str(Path(f"/proc/self/fd/{fd}").readlink())
    finally:
        os.close(fd)


def _shm(engine: Engine, container: Container) -> Path:
    return engine.containers.directory(container.id) / "shm"


def _shareable_shm(engine: Engine, container: Container) -> str | None:
    """A /dev/shm that other containers can join lies on the host; theirs is the other's."""
    mode = container.host_config.get("IpcMode") or ""
    if mode.startswith("container:"):
        other = engine.containers.get(mode.removeprefix("container:"))
        return str(_shm(engine, other))
    if mode != "shareable":
        return None
    directory = _shm(engine, container)
    directory.mkdir(mode=0o700, exist_ok=True)
    size = container.host_config.get("ShmSize") or 64 << 20
    flags = sys.MS_NOEXEC | sys.MS_NOSUID | sys.MS_NODEV
    sys.mount("shm", str(directory), "tmpfs", flags, f"mode=1777,size={size}")
    return str(directory)
