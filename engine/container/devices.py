"""Host devices a container is given: looked up on the host, as nodes and as rules of its cgroup.

This is the part of making a spec that must look at the machine; `engine.container.spec` is pure.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errdefs import InvalidParameter

# What lies in /dev and is made for each container anew, or means the host's own console.
_OWN = frozenset({"pts", "shm", "fd", "mqueue", "console", "ptmx", ".lxc", ".lxd-mounts", ".udev"})

_BLKIO_LISTS = (
    "BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps",
    "BlkioDeviceWriteIOps",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HostDevice:
    """One device. node: an entry of the OCI spec's linux.devices; rule: of linux.resources.devices."""

    node: dict[str, Any]
    rule: dict[str, Any]


def host_devices(host_config: Mapping[str, Any]) -> list[HostDevice]:
    """The devices of ``--device``, and with ``--privileged`` all of the host's. Blocks (stat).

    Raises InvalidParameter, with docker's words, for a path that is no device.
    """
    if host_config.get("Privileged"):
        return [_device(path, str(path), "rwm") for path in _walk(Path("/dev"))]
    found: list[HostDevice] = []
    for device in host_config.get("Devices") or ():
        source = Path(device.get("PathOnHost") or "")
        target = device.get("PathInContainer") or str(source)
        found += _resolve(source, target, device.get("CgroupPermissions") or "rwm")
    return found


def _resolve(source: Path, target: str, access: str) -> list[HostDevice]:
    if source.is_dir():
        devices = [_device(p, f"{target}/{p.relative_to(source)}", access) for p in _walk(source)]
        if devices:
            return devices
    elif source.is_char_device() or source.is_block_device() or source.is_fifo():
        return [_device(source, target, access)]
    reason = "not a device node" if source.exists() else "no such file or directory"
    raise InvalidParameter(
        f'error gathering device information while adding custom device "{source}": {reason}'
    )


def _walk(directory: Path) -> Iterator[Path]:
    for entry in sorted(directory.iterdir()):
        if entry.name in _OWN or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _walk(entry)
        elif entry.is_char_device() or entry.is_block_device():
            yield entry


def _device(path: Path, target: str, access: str) -> HostDevice:
    status = path.stat()
    kind = "b" if stat.S_ISBLK(status.st_mode) else "c" if stat.S_ISCHR(status.st_mode) else "p"
    major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
    node = {
        "path": target,
        "type": kind,
        "major": major,
        "minor": minor,
        "fileMode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
    }
    rule = {"allow": True, "type": kind, "major": major, "minor": minor, "access": access}
    return HostDevice(node, rule)


def with_block_numbers(host_config: Mapping[str, Any]) -> dict[str, Any]:
    """`host_config` with Major and Minor added to the entries of its Blkio…Device… lists. Blocks (stat)."""
    result = dict(host_config)
    for key in _BLKIO_LISTS:
        if not result.get(key):
            continue
        entries = []
        for entry in result[key]:
            try:
                number = Path(entry["Path"]).stat().st_rdev
            except OSError as exc:
                raise InvalidParameter(f"cannot use block device {entry['Path']}: {exc.strerror}") from exc
            entries.append({**entry, "Major": os.major(number), "Minor": os.minor(number)})
        result[key] = entries
    return result
