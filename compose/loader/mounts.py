"""Volumes of a service: ``[SOURCE:]TARGET[:OPTION,…]`` and the long form."""

from __future__ import annotations

from typing import Any

from compose.loader.units import parse_size, to_bool

Mount = dict[str, Any]

_PROPAGATION = {"private", "rprivate", "shared", "rshared", "slave", "rslave"}


def is_path(source: str) -> bool:
    """Whether the source of a short form is a path (a bind) and not the name of a volume."""
    return source.startswith((".", "/", "~"))


def parse_short(text: str) -> Mount:
    """A short form in canonical form; ValueError says what is wrong."""
    parts = text.split(":")
    if not text or len(parts) > 3 or (len(parts) > 1 and not parts[0] and not parts[1]):
        raise ValueError(f'is no valid volume: "{text}" (expected [SOURCE:]TARGET[:OPTIONS])')
    if len(parts) == 1:
        return _checked({"type": "volume", "target": text}, text)
    source, target, options = parts[0], parts[1], parts[2] if len(parts) == 3 else ""
    mount: Mount = {"type": "bind" if is_path(source) else "volume", "source": source, "target": target}
    if not source:
        raise ValueError(f'is no valid volume: "{text}" (the source is empty)')
    if mount["type"] == "bind":
        mount["bind"] = {"create_host_path": True}
    for option in filter(None, options.split(",")):
        _apply(mount, option)
    return _checked(mount, text)


def _apply(mount: Mount, option: str) -> None:
    match option:
        case "ro":
            mount["read_only"] = True
        case "rw":
            pass
        case "nocopy":
            mount["volume"] = {"nocopy": True}
        case "z" | "Z":
            mount.setdefault("bind", {})["selinux"] = option
        case "cached" | "delegated" | "consistent":
            mount["consistency"] = option
        case _ if option in _PROPAGATION:
            mount.setdefault("bind", {})["propagation"] = option
        case _:  # unknown options are ignored, as docker compose does
            pass


def _checked(mount: Mount, text: str) -> Mount:
    if not mount["target"].startswith("/"):
        raise ValueError(f'is no valid volume: "{text}" (the target must be an absolute path)')
    return mount


def canonical_long(value: Mount) -> Mount:
    """A long form with numbers and booleans as such."""
    mount = dict(value)
    if mount["type"] != "tmpfs" and mount["type"] == "bind" and not mount.get("source"):
        raise ValueError("is a bind without a source")
    if not mount.get("target"):
        raise ValueError("is missing the target")
    if "read_only" in mount:
        mount["read_only"] = to_bool(mount["read_only"])
    bind = mount.get("bind")
    if bind and "create_host_path" in bind:
        mount["bind"] = {**bind, "create_host_path": to_bool(bind["create_host_path"])}
    volume = mount.get("volume")
    if volume and "nocopy" in volume:
        mount["volume"] = {**volume, "nocopy": to_bool(volume["nocopy"])}
    tmpfs = mount.get("tmpfs")
    if tmpfs and "size" in tmpfs:
        mount["tmpfs"] = {**tmpfs, "size": parse_size(tmpfs["size"])}
    return mount


def canonical_mount(value: Any) -> Mount:
    """Either form in canonical form."""
    return canonical_long(value) if isinstance(value, dict) else parse_short(str(value))
