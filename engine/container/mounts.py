"""The list of a container's mounts: defaults, the user's on top, tmpfs options merged as docker does."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from engine.container.defaults import DEFAULT_SHM_SIZE, default_mounts
from engine.errdefs import InvalidParameter

PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")

_TMPFS_DEFAULTS = ("noexec", "nosuid", "nodev")

# Flags of which the last one wins; the first of a pair is what the kernel does by itself.
_PAIRS = (
    ("exec", "noexec"), ("suid", "nosuid"), ("dev", "nodev"), ("rw", "ro"), ("async", "sync"),
    ("nodirsync", "dirsync"), ("atime", "noatime"), ("diratime", "nodiratime"), ("norelatime", "relatime"),
    ("nostrictatime", "strictatime"), ("nomand", "mand"), ("defaults", ""),
)  # fmt: skip
_GROUP: dict[str, tuple[str, ...]] = {flag: pair for pair in _PAIRS for flag in pair if flag}
_GROUP |= dict.fromkeys((*PROPAGATIONS, "unbindable", "runbindable"), PROPAGATIONS)
_TMPFS_DATA = frozenset({"mode", "uid", "gid", "size", "nr_inodes", "nr_blocks", "mpol"})


def bind_mount(
    source: str, target: str, *, readonly: bool = False, propagation: str = "", recursive: bool = True
) -> dict[str, Any]:
    """A bind of a host directory or file, as an OCI mount; propagation "" is the kernel's way (private)."""
    options = ["rbind" if recursive else "bind"]
    if readonly:
        options.append("ro")
    if propagation:
        options.append(propagation)
    return {"destination": posixpath.normpath(target), "type": "bind", "source": source, "options": options}


def tmpfs_mount(target: str, options: str = "") -> dict[str, Any]:
    """A tmpfs; options as ``--tmpfs TARGET:OPTIONS`` takes them. Raises InvalidParameter for a bad one."""
    given = [option for option in options.split(",") if option]
    invalid = [o for o in given if o not in _GROUP and o.partition("=")[0] not in _TMPFS_DATA]
    if invalid:
        raise InvalidParameter(f"invalid tmpfs option {invalid}".replace("'", '"'))
    return {
        "destination": posixpath.normpath(target),
        "type": "tmpfs",
        "source": "tmpfs",
        "options": _merge([*_TMPFS_DEFAULTS, "rprivate", *given]),
    }


def _merge(options: Sequence[str]) -> list[str]:
    """Drop each option that a later one of its kind overrides; order stays that of the survivors."""
    kept: dict[object, str] = {}
    for option in options:
        kind: object = _GROUP.get(option, option.partition("=")[0])
        kept.pop(kind, None)
        kept[kind] = option
    return [option for option in kept.values() if option != "defaults"]


def assemble(
    host_config: Mapping[str, Any],
    mounts: Sequence[Mapping[str, Any]],
    files: Mapping[str, str],
    shm_path: str | None,
) -> list[dict[str, Any]]:
    """All mounts of a container in the order they are made: parents before what lies in them.

    mounts: the user's binds, volumes and tmpfs (OCI). files: container path → host file
    (/etc/hosts and such). shm_path: a directory to share as /dev/shm instead of a fresh tmpfs.
    """
    tmpfs = [tmpfs_mount(target, options) for target, options in (host_config.get("Tmpfs") or {}).items()]
    user = sorted((dict(mount) for mount in (*mounts, *tmpfs)), key=lambda m: _depth(m["destination"]))
    targets = {mount["destination"] for mount in user}
    readonly_root = bool(host_config.get("ReadonlyRootfs"))
    own = [
        bind_mount(source, target, readonly=readonly_root, propagation="rprivate")
        for target, source in files.items()
        if target not in targets
    ]
    system = [m for m in _system(host_config, shm_path) if not _covered(m["destination"], targets)]
    return [*system, *user, *own]


def _system(host_config: Mapping[str, Any], shm_path: str | None) -> list[dict[str, Any]]:
    size = host_config.get("ShmSize") or DEFAULT_SHM_SIZE
    system = default_mounts(shm_size=size, writable_sys=bool(host_config.get("Privileged")))
    if shm_path is not None:
        return [*system[:-1], bind_mount(shm_path, "/dev/shm", propagation="rprivate")]
    if host_config.get("IpcMode") == "none":
        return system[:-1]
    return system


def _covered(destination: str, targets: set[str]) -> bool:
    """Whether a default mount gives way: the user mounts the same place, or all of /dev."""
    return destination in targets or ("/dev" in targets and destination.startswith("/dev/"))


def _depth(path: str) -> int:
    return 0 if path == "/" else path.count("/")


def root_propagation(mounts: Sequence[Mapping[str, Any]]) -> str | None:
    """``linux.rootfsPropagation`` that the mounts' own propagation needs: a mount can't receive or
    send what its root does not."""
    flags = {option for mount in mounts for option in mount.get("options") or ()}
    if flags & {"shared", "rshared"}:
        return "shared"
    if flags & {"slave", "rslave"}:
        return "rslave"
    return None
