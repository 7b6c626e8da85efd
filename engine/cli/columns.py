"""Tables as docker prints them, and the words it has for ages and sizes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

# (upper bound in seconds, unit in seconds, singular, plural): docker's go-units durations
_AGES = (
    (1, 1, "Less than a second", ""),
    (60, 1, "1 second", "{} seconds"),
    (120, 60, "About a minute", ""),
    (2760, 60, "", "{} minutes"),
    (5400, 3600, "About an hour", ""),
    (172800, 3600, "", "{} hours"),
    (1209600, 86400, "", "{} days"),
    (5184000, 604800, "", "{} weeks"),
    (63072000, 2592000, "", "{} months"),
)


def age(seconds: float) -> str:
    """``3700`` → "About an hour"."""
    for bound, unit, singular, plural in _AGES:
        if seconds < bound:
            count = int(seconds // unit)
            return singular if singular and (not plural or count == 1) else plural.format(count)
    return f"{int(seconds // 31536000)} years"


def ago(created: float) -> str:
    """A time in seconds since the epoch → "5 minutes ago"."""
    return f"{age(max(0.0, time.time() - created))} ago"


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


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns three blanks apart; the last one is not padded."""
    lines = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) + 3 for i in range(len(header) - 1)]
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(line, [*widths, 0], strict=True)).rstrip()
        for line in lines
    )
