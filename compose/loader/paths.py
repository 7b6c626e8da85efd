"""Relative paths in a canonical document → absolute ones."""

from __future__ import annotations

import os.path
from pathlib import Path
from typing import Any

_REMOTE = (
    "http://",
    "https://",
    "git://",
    "ssh://",
    "git@",
    "github.com/",
    "docker-image://",
    "service:",
    "oci://",
)


def resolve(tree: dict[str, Any], base: Path) -> dict[str, Any]:
    """A copy with every path that the file names made absolute, relative to `base`."""
    result = dict(tree)
    if "services" in tree:
        result["services"] = {name: resolve_service(body, base) for name, body in tree["services"].items()}
    for key in ("secrets", "configs"):
        if key in tree:
            result[key] = {
                name: {**body, "file": absolute(body["file"], base)} if body.get("file") else body
                for name, body in tree[key].items()
            }
    if "volumes" in tree:
        result["volumes"] = {name: _volume(body, base) for name, body in tree["volumes"].items()}
    return result


def absolute(path: str, base: Path) -> str:
    """`path` seen from `base`; ``~`` is the home directory."""
    if path.startswith("~"):
        path = os.path.expanduser(path)  # noqa: PTH111 - keeps an unknown ~user as it is
    return os.path.normpath(os.path.join(base, path))  # noqa: PTH118 - Path would follow symbolic links


def resolve_service(body: dict[str, Any], base: Path) -> dict[str, Any]:
    """The same for the body of one service."""
    result = dict(body)
    if isinstance(body.get("build"), dict):
        result["build"] = _build(body["build"], base)
    if body.get("env_file"):
        result["env_file"] = [{**item, "path": absolute(item["path"], base)} for item in body["env_file"]]
    if body.get("label_file"):
        result["label_file"] = [absolute(item, base) for item in body["label_file"]]
    if body.get("volumes"):
        result["volumes"] = [_mount(item, base) for item in body["volumes"]]
    watch = (body.get("develop") or {}).get("watch")
    if watch:
        rules = [{**rule, "path": absolute(rule["path"], base)} for rule in watch]
        result["develop"] = {**body["develop"], "watch": rules}
    return result


def is_remote(context: str) -> bool:
    """Whether a build context is a URL and no directory."""
    return context.startswith(_REMOTE) or context.endswith(".git")


def _build(build: dict[str, Any], base: Path) -> dict[str, Any]:
    result = dict(build)
    context = build.get("context", ".")
    result["context"] = context if is_remote(context) else absolute(context, base)
    contexts = build.get("additional_contexts")
    if contexts:
        result["additional_contexts"] = {
            name: value if is_remote(value) else absolute(value, base) for name, value in contexts.items()
        }
    return result


def _mount(mount: dict[str, Any], base: Path) -> dict[str, Any]:
    source = mount.get("source")
    if mount["type"] != "bind" or not source or source.startswith("/"):
        return mount
    return {**mount, "source": absolute(source, base)}


def _volume(volume: dict[str, Any], base: Path) -> dict[str, Any]:
    """The local driver's bind of a directory: ``driver_opts: {type: none, o: bind, device: ./data}``."""
    options = volume.get("driver_opts") or {}
    device = options.get("device", "")
    if "bind" not in options.get("o", "").split(",") or not device.startswith((".", "~")):
        return volume
    return {**volume, "driver_opts": {**options, "device": absolute(device, base)}}
