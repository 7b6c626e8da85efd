"""What went wrong between fork and exec, as a structure, and in docker's words.

Init reports {"operation", "errno", "path"} (or {"operation", "message"}); the monitor passes it on
unchanged; the execution driver turns it into StartFailure with `describe`.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any


class SetupError(Exception):
    """A step towards exec failed. operation: which; number: errno, 0 if it was no system call."""

    def __init__(self, operation: str, number: int = 0, path: str = "", message: str = "") -> None:
        super().__init__(operation, number, path, message)
        self.operation, self.number, self.path, self.message = operation, number, path, message

    @classmethod
    def of(cls, operation: str, exc: OSError) -> SetupError:
        """The failure of a system call, or one that we found and said more about."""
        number = exc.errno or 0
        said = str(exc.strerror or "")
        own = said if said != os.strerror(number) else ""
        return cls(operation, number, str(exc.filename or ""), own)

    def to_dict(self) -> dict[str, Any]:
        """As it travels."""
        return {"operation": self.operation, "errno": self.number, "path": self.path, "message": self.message}


class step:
    """`with step("pivot_root", root):` turns an OSError inside into a SetupError of that name."""

    __slots__ = ("message", "operation", "path")

    def __init__(self, operation: str, path: str = "", message: str = "") -> None:
        self.operation, self.path, self.message = operation, path, message

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if isinstance(exc, OSError):
            path = self.path or (exc.filename if isinstance(exc.filename, str) else "")
            raise SetupError(self.operation, exc.errno or 0, path, self.message) from exc


def strerror(number: int) -> str:
    """errno in the words of docker's messages, which are Go's: lower case."""
    return os.strerror(number).lower() if number else ""


def _lookup(error: dict[str, Any]) -> str:
    name, number = error["path"], error["errno"]
    if error["message"]:
        return f'exec: "{name}": {error["message"]}'
    if number == errno.ENOENT:
        return f'exec: "{name}": stat {name}: no such file or directory'
    return f'exec: "{name}": {strerror(number)}'


def _exec(error: dict[str, Any]) -> str:
    return f"exec {error['path']}: {strerror(error['errno'])}"


def _mkdir(error: dict[str, Any]) -> str:
    """The working directory, which is made where it is missing."""
    if error["errno"] in (errno.EEXIST, errno.ENOTDIR):
        return f"Cannot mkdir: {error['path']} is not a directory"
    return f"mkdir {error['path']}: {strerror(error['errno'])}"


def _cwd(error: dict[str, Any]) -> str:
    return f'chdir to cwd ("{error["path"]}") set in config.json failed: {strerror(error["errno"])}'


def _mount(error: dict[str, Any]) -> str:
    """path: the source; message: the place in the container."""
    source, target, why = error["path"], error["message"], strerror(error["errno"])
    return f'error mounting "{source}" to rootfs at "{target}": mount {source}:{target}: {why}'


def _killed(error: dict[str, Any]) -> str:
    return f"container init was killed before it could run the program ({error['message']})"


_WORDS = {
    "lookup": _lookup,
    "exec": _exec,
    "mkdir": _mkdir,
    "chdir": _cwd,
    "killed": _killed,
    "mount": _mount,
}


def describe(error: dict[str, Any]) -> tuple[str, int]:
    """(message, exit code that docker records) of a failure.

    126: there, but cannot be executed; 127: not there; 128: anything else. The rule follows dockerd,
    which decides by the words; a file mounted onto a directory, or the reverse, is 127 as well.
    """
    operation, number = error["operation"], error["errno"]
    words = _WORDS.get(operation)
    if words is not None:
        text = words(error)
    else:
        parts = [operation, error["path"], error["message"], strerror(number)]
        text = ": ".join(part for part in parts if part)
    if operation in ("lookup", "exec"):
        if number in (errno.EACCES, errno.EISDIR, errno.EPERM, errno.ENOEXEC):
            return text, 126
        return text, 127
    if operation == "chdir" or number in (errno.EACCES, errno.EISDIR):
        return text, 126
    if number == errno.ENOTDIR:
        hint = (
            "Are you trying to mount a directory onto a file (or vice-versa)? "
            "Check if the specified host path exists and is the expected type"
        )
        return f"{text}: {hint}", 127
    return text, 128
