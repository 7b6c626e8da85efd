"""Aligned columns, as docker prints them."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]], gap: int = 3) -> str:
    """Columns as wide as their widest cell, `gap` spaces between them; the last isn't padded."""
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    text = ""
    for line in lines:
        cells = [cell.ljust(width + gap) for cell, width in zip(line[:-1], widths, strict=False)]
        text += "".join([*cells, line[-1]]).rstrip() + "\n"
    return text
