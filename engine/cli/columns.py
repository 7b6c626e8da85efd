"""The words docker's tables have for ages and sizes."""

from __future__ import annotations

import time

from engine.api.durations import human_duration


def ago(created: float) -> str:
    """A time in seconds since the epoch → "5 minutes ago"."""
    return f"{human_duration(time.time() - created)} ago"


def size(count: float) -> str:
    """Bytes in decimal units with three digits, as docker has them: ``2130000`` → "2.13MB"."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.3g}{unit}" if count < 1000 else f"{count:.0f}{unit}"


def memory(count: float) -> str:
    """Bytes in binary units with four digits, as docker has them: ``2 << 30`` → "2GiB"."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            break
        count /= 1024
    return f"{count:.4g}{unit}"
