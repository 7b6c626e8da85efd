"""The image that a step leaves: its parent's config, changed, with one more line of history. Pure."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from engine.build.metadata import State
from engine.layer.store import Layer

# The archive of nothing: two zero blocks. A step that changed no file adds no layer.
EMPTY_DIFF_ID = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def architecture() -> str:
    """This host's, as images name it."""
    return _MACHINES.get(platform.machine(), platform.machine())


def predefined_args(wanted: str) -> dict[str, str]:
    """TARGETPLATFORM and its like. wanted: --platform, "" for this host."""
    here = f"linux/{architecture()}"
    values = {}
    for prefix, text in (("TARGET", wanted or here), ("BUILD", here)):
        os_name, _, rest = text.partition("/")
        arch, _, variant = rest.partition("/")
        values[f"{prefix}PLATFORM"] = text
        values[f"{prefix}OS"], values[f"{prefix}ARCH"], values[f"{prefix}VARIANT"] = os_name, arch, variant
    return values


def image_config(
    parent: Mapping[str, Any] | None, state: State, created_by: str, created: str, layer: Layer | None
) -> dict[str, Any]:
    """The OCI image config after a step. created: RFC 3339. layer: what it wrote, None for nothing."""
    base = parent or {}
    diff_ids = list((base.get("rootfs") or {}).get("diff_ids") or [])
    entry: dict[str, Any] = {"created": created, "created_by": created_by}
    if state.author:
        entry["author"] = state.author
    if layer is None:
        entry["empty_layer"] = True
    else:
        diff_ids.append(layer.diff_id)
    result: dict[str, Any] = {
        "architecture": base.get("architecture") or architecture(),
        "os": base.get("os") or "linux",
        "created": created,
        "config": state.config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [*(base.get("history") or []), entry],
    }
    for key in ("variant", "os.version"):
        if base.get(key):
            result[key] = base[key]
    if state.author or base.get("author"):
        result["author"] = state.author or base["author"]
    return result


def resumed_config(
    source: Mapping[str, Any], state: State, history: list[Any], diff_ids: list[str]
) -> dict[str, Any]:
    """The image after a step that another image, `source`, went through already."""
    result: dict[str, Any] = {
        "architecture": source.get("architecture") or architecture(),
        "os": source.get("os") or "linux",
        "created": history[-1].get("created") or source.get("created") or "",
        "config": state.config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": history,
    }
    if state.author:
        result["author"] = state.author
    return result
