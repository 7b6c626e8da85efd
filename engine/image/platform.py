"""Platforms as clients name them (``os[/arch[/variant]]``, or an architecture alone), and those of images."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engine.errdefs import InvalidParameter

_PART = re.compile(r"[a-z0-9_.-]+")
_SYSTEMS = frozenset(("linux", "windows", "darwin", "freebsd"))
_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386", "armhf": "arm"}


def parse(text: str) -> tuple[str, str, str]:
    """(os, architecture, variant), "" for what is left open. Raises InvalidParameter."""
    parts = text.lower().split("/")
    if len(parts) > 3 or not all(_PART.fullmatch(part) for part in parts):
        raise InvalidParameter(
            f'failed to parse platform {text}: "{text}": cannot parse platform specifier: invalid argument'
        )
    if len(parts) == 1 and parts[0] not in _SYSTEMS:
        return "", _ALIASES.get(parts[0], parts[0]), ""
    system, machine, variant = (*parts, "", "")[:3]
    return system, _ALIASES.get(machine, machine), variant


def fits(config: Mapping[str, Any], wanted: str) -> bool:
    """Whether an image with this config is for the platform `wanted`; "" is any. Raises InvalidParameter."""
    have = (config.get("os") or "linux", config.get("architecture") or "", config.get("variant") or "")
    asked = parse(wanted) if wanted else ("", "", "")
    return all(one in ("", other) or other == "" for one, other in zip(asked, have, strict=True))
