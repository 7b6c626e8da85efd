"""What can go wrong before, during and after an operation on a project, and the exit code of each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.errdefs import DockyardError, InvalidParameter, NotFound

Path = tuple[str | int, ...]
"""Where a value stands in a compose file: keys and list indexes from the top."""


def dotted(path: Iterable[str | int]) -> str:
    """A path as messages show it: ``services.web.ports[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


class ComposeError(DockyardError):
    """Base of what Compose itself refuses; `exit_code` is what the command exits with."""

    exit_code = 1


class ConfigurationNotFound(ComposeError, NotFound):
    """There is no compose file where one was looked for."""

    exit_code = 14


class NoSuchService(ComposeError, NotFound):
    """A service was named that the project doesn't have."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no such service: {name}")


class FileInvalid(ComposeError, InvalidParameter):
    """A compose file, or a file it names, is malformed.

    `problem` continues the sentence that begins with the path ("must be a list"), unless the path
    is empty. `file` and `line` (from 1) may be unknown when the error is raised and be filled in
    by whoever knows the document (`located`).
    """

    def __init__(self, problem: str, *, path: Path = (), file: str = "", line: int = 0) -> None:
        self.problem, self.path, self.file, self.line = problem, path, file, line
        super().__init__(self._text())

    def _text(self) -> str:
        where = (
            f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        )
        subject = f"{dotted(self.path)} " if self.path else ""
        return f"{where}{subject}{self.problem}"

    def located(self, locate: Any) -> FileInvalid:
        """The same error with file and line from `locate(path) -> (file, line)`."""
        if self.file:
            return self
        file, line = locate(self.path)
        return type(self)(self.problem, path=self.path, file=file, line=line)


class OperationFailed(ComposeError):
    """An operation on the engine failed; the message names the container, network or volume."""


class ExitWith(ComposeError):
    """End the command with this exit code and without a message of its own."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit {code}")
        self.exit_code = code
