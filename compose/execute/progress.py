"""What a running plan tells its user, on standard error."""

from __future__ import annotations

import json
import sys
from typing import Protocol, TextIO

from compose.execute.words import WORDS
from compose.plan.operations import Operation


class Reporter(Protocol):
    """Is told of every operation: begun, then either done or failed; and of loose lines."""

    def begun(self, operation: Operation) -> None:
        """It runs now."""

    def done(self, operation: Operation, note: str = "") -> None:
        """It succeeded; `note` instead of the usual word if something else is to be said."""

    def failed(self, operation: Operation, error: str) -> None:
        """It failed."""

    def line(self, text: str) -> None:
        """Something to say between operations: output of a build, a warning."""

    def release(self) -> None:
        """Somebody else writes to the terminal now, as containers' logs do: what was drawn stays."""


class Plain:
    """One line for each beginning and end, as docker compose writes into a pipe."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stderr

    def begun(self, operation: Operation) -> None:
        """Container shop-web-1  Creating."""
        noun, present, _ = WORDS[operation.kind]
        self.line(f" {noun} {operation.target}  {present}")

    def done(self, operation: Operation, note: str = "") -> None:
        """Container shop-web-1  Created."""
        noun, _, past = WORDS[operation.kind]
        self.line(f" {noun} {operation.target}  {note or past}")

    def failed(self, operation: Operation, error: str) -> None:
        """Container shop-web-1  Error and why."""
        self.line(f" {WORDS[operation.kind][0]} {operation.target}  Error {error}")

    def line(self, text: str) -> None:
        """As it is."""
        print(text, file=self.out, flush=True)

    def release(self) -> None:
        """Lines stay anyway."""


class Quiet(Plain):
    """Only failures, which the command's error message tells: nothing."""

    def line(self, text: str) -> None:
        """Nothing."""


class Json(Plain):
    """One JSON object a line."""

    def begun(self, operation: Operation) -> None:
        """Status Working."""
        self._event(operation, WORDS[operation.kind][1], "Working")

    def done(self, operation: Operation, note: str = "") -> None:
        """Status Done."""
        self._event(operation, note or WORDS[operation.kind][2], "Done")

    def failed(self, operation: Operation, error: str) -> None:
        """Status Error."""
        self._event(operation, error, "Error")

    def line(self, text: str) -> None:
        """A message."""
        self._write({"text": text})

    def _event(self, operation: Operation, text: str, status: str) -> None:
        noun = WORDS[operation.kind][0]
        self._write({"id": f"{noun} {operation.target}", "status": status, "text": text})

    def _write(self, value: dict[str, str]) -> None:
        print(json.dumps(value), file=self.out, flush=True)


def reporter(progress: str, *, colors: bool) -> Reporter:
    """The one for `--progress`; "auto" is a live view on a terminal, else plain lines."""
    if progress == "quiet":
        return Quiet()
    if progress == "json":
        return Json()
    if progress == "tty" or (progress == "auto" and sys.stderr.isatty()):
        from compose.execute.live import Live

        return Live(colors=colors)
    return Plain()
