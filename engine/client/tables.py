"""Aligned columns, as docker prints them: for all four command lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, three blanks apart; the last isn't padded. No last newline."""
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) + 3 for i in range(len(header) - 1)]
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(line, [*widths, 0], strict=True)).rstrip()
        for line in lines
    )
