"""Volumes, secrets and configs of a service → Binds, Mounts and Volumes of the Engine API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from compose.loader.mounts import Mount
from compose.loader.units import to_int
from compose.model import Body, Project

_ANONYMOUS = re.compile(r"[0-9a-f]{64}\Z")


def volume_fields(
    project: Project, service: str, inherited: Mapping[str, str], *, local: bool
) -> tuple[list[str], list[Mount], dict[str, Any]]:
    """Binds, Mounts and Volumes of a container.

    inherited: target → name of anonymous volumes of the container that is being replaced. local:
    whether the engine sees our files, so that a secret can be mounted from its file.
    """
    body = project.services[service]
    binds: list[str] = []
    mounts: list[Mount] = []
    anonymous: dict[str, Any] = {}
    targets = set()
    for mount in body.get("volumes") or ():
        targets.add(mount["target"])
        if mount["type"] == "volume" and not mount.get("source") and mount["target"] not in inherited:
            anonymous[mount["target"]] = {}
        elif mount["type"] == "volume" and not mount.get("source"):
            binds.append(f"{inherited[mount['target']]}:{mount['target']}:{_mode(mount)}")
        elif _fits_bind(mount):
            source = (
                project.volumes[mount["source"]]["name"] if mount["type"] == "volume" else mount["source"]
            )
            binds.append(f"{source}:{mount['target']}:{_mode(mount)}")
        else:
            mounts.append(_mount(project, mount))
    for target, name in inherited.items():
        if target not in targets:
            binds.append(f"{name}:{target}")
    if local:
        mounts.extend(_secret_mounts(project, body))
    return binds, mounts, anonymous


def _fits_bind(mount: Mount) -> bool:
    if mount["type"] == "bind":
        bind = mount.get("bind") or {}
        return bool(bind.get("create_host_path", True)) and not bind.get("recursive")
    if mount["type"] == "volume":
        return "subpath" not in (mount.get("volume") or {})
    return False


def _mode(mount: Mount) -> str:
    options = ["ro" if mount.get("read_only") else "rw"]
    bind = mount.get("bind") or {}
    options += [bind[key] for key in ("propagation", "selinux") if bind.get(key)]
    if (mount.get("volume") or {}).get("nocopy"):
        options.append("nocopy")
    return ",".join(options)


def _mount(project: Project, mount: Mount) -> Mount:
    result: Mount = {"Type": mount["type"], "Target": mount["target"]}
    source = mount.get("source")
    if source:
        result["Source"] = project.volumes[source]["name"] if mount["type"] == "volume" else source
    if mount.get("read_only"):
        result["ReadOnly"] = True
    if mount.get("tmpfs"):
        tmpfs = mount["tmpfs"]
        result["TmpfsOptions"] = {
            **({"SizeBytes": tmpfs["size"]} if "size" in tmpfs else {}),
            **({"Mode": to_int(tmpfs["mode"])} if "mode" in tmpfs else {}),
        }
    if mount["type"] == "bind" and (mount.get("bind") or {}).get("propagation"):
        result["BindOptions"] = {"Propagation": mount["bind"]["propagation"]}
    if mount["type"] == "volume" and mount.get("volume"):
        volume = mount["volume"]
        result["VolumeOptions"] = {
            **({"NoCopy": volume["nocopy"]} if "nocopy" in volume else {}),
            **({"Subpath": volume["subpath"]} if "subpath" in volume else {}),
        }
    return result


def file_target(section: str, reference: dict[str, Any]) -> str:
    """Where a secret or config is seen: its target, absolute, or ``/run/secrets/NAME``, ``/NAME``."""
    target = str(reference.get("target") or reference["source"])
    if target.startswith("/"):
        return target
    return f"/run/secrets/{target}" if section == "secrets" else f"/{target}"


def is_mounted(definition: dict[str, Any], reference: dict[str, Any]) -> bool:
    """Whether a secret or config can be a bind mount of its file: it has one, and no owner or mode
    that the file itself may not have."""
    return bool(definition.get("file")) and not any(key in reference for key in ("uid", "gid", "mode"))


def _secret_mounts(project: Project, body: Body) -> list[Mount]:
    mounts = []
    for section in ("secrets", "configs"):
        definitions: dict[str, Any] = getattr(project, section)
        for reference in body.get(section) or ():
            definition = definitions[reference["source"]]
            if is_mounted(definition, reference):
                mounts.append(
                    {
                        "Type": "bind",
                        "Source": definition["file"],
                        "Target": file_target(section, reference),
                        "ReadOnly": True,
                    }
                )
    return mounts


def anonymous_volumes(mounts: list[dict[str, Any]]) -> dict[str, str]:
    """Target → name of the anonymous volumes among the Mounts of an inspected container."""
    return {
        mount["Destination"]: mount["Name"]
        for mount in mounts
        if mount.get("Type") == "volume" and _ANONYMOUS.match(mount.get("Name") or "")
    }
