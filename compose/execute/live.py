"""A live view of a running plan on a terminal: one line for each object, rewritten in place.

The view is never taller than the terminal (what is done leaves it first), so that it never
scrolls; each redraw is a single write, so that it doesn't flicker.
"""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

from compose.execute.words import WORDS
from compose.plan.operations import Operation

_GREEN, _RED, _BLUE, _RESET = "\x1b[32m", "\x1b[31m", "\x1b[34m", "\x1b[0m"


class Live:
    """Draws on `out`; a `Reporter`."""

    def __init__(self, *, colors: bool = True, out: TextIO | None = None) -> None:
        self.out = out or sys.stderr
        self.colors = colors
        self.rows: dict[str, tuple[str, str, float]] = {}
        self.drawn = 0

    def begun(self, operation: Operation) -> None:
        """The object's line shows what is being done."""
        noun, present, _ = WORDS[operation.kind]
        self._set(f"{noun} {operation.target}", present, "")

    def done(self, operation: Operation, note: str = "") -> None:
        """The object's line shows what was done."""
        noun, _, past = WORDS[operation.kind]
        self._set(f"{noun} {operation.target}", note or past, _GREEN)

    def failed(self, operation: Operation, error: str) -> None:
        """The object's line shows the error."""
        self._set(f"{WORDS[operation.kind][0]} {operation.target}", f"Error {error}", _RED)

    def line(self, text: str) -> None:
        """Printed above the view, and stays."""
        self._draw(above=text)

    def release(self) -> None:
        """The view stays where it is; what comes next starts one below."""
        self.rows.clear()
        self.drawn = 0

    def _set(self, name: str, status: str, color: str) -> None:
        started = self.rows[name][2] if name in self.rows else time.monotonic()
        self.rows[name] = (status, color, started)
        self._draw()

    def _draw(self, above: str = "") -> None:
        size = shutil.get_terminal_size()
        height = max(size.lines - 2, 1)
        names = list(self.rows)
        hidden = len(names) - height
        if hidden > 0:
            finished = [name for name in names if self.rows[name][1] == _GREEN][:hidden]
            names = [name for name in names if name not in set(finished)][-height:]
        text = f"\x1b[{self.drawn}A" if self.drawn else ""
        text += "\r\x1b[J"  # an echoed ^C moved the cursor
        if above:
            text += above.rstrip("\n") + "\n"
        text += "".join(self._row(name, size.columns) for name in names)
        self.drawn = len(names)
        self.out.write(text)
        self.out.flush()

    def _row(self, name: str, width: int) -> str:
        status, color, started = self.rows[name]
        mark = "✔" if color == _GREEN else "✘" if color == _RED else "-"
        elapsed = f"{time.monotonic() - started:.1f}s"
        left = f" {mark} {name}  {status}"[: max(width - len(elapsed) - 2, 1)].replace("\n", " ")
        padded = left.ljust(max(width - len(elapsed) - 1, 1))
        if self.colors and color:
            padded = f"{color}{padded}{_RESET}"
        return f"{padded}{elapsed}\n"
