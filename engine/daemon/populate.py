"""A new, empty volume takes over what the image has at its place: content, owner and mode."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from engine.container.model import Container, MountPoint
from engine.daemon.engine import Engine
from engine.layer.confine import open_in_root
from engine.layer.pack import PackOptions, pack
from engine.layer.unpack import unpack


def populate(engine: Engine, container: Container, mounts: Iterable[MountPoint]) -> None:
    """Fill those volumes of a container being made that are empty. Blocks."""
    root = engine.layers.mount_rw(container.id)
    try:
        root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for mount in mounts:
                _fill(engine, container, mount, root_fd)
        finally:
            os.close(root_fd)
    finally:
        engine.layers.unmount_rw(container.id)


def _fill(engine: Engine, container: Container, mount: MountPoint, root_fd: int) -> None:
    try:
        image_fd = open_in_root(root_fd, mount.destination, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        target = engine.volumes.mount(mount.name, container.id)
        try:
            if not any(target.iterdir()):
                _copy(image_fd, target)
        finally:
            engine.volumes.unmount(mount.name, container.id)
    finally:
        os.close(image_fd)


def _copy(image_fd: int, target: Path) -> None:
    status = os.fstat(image_fd)
    with pack(Path(f"/proc/self/fd/{image_fd}"), PackOptions()) as tar:
        unpack(tar, target)
    os.chown(target, status.st_uid, status.st_gid)
    target.chmod(status.st_mode & 0o7777)
