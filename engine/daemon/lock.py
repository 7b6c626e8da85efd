"""One daemon a data-root, an exec-root and a pid file: locks that the kernel drops when a daemon dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from engine.errdefs import Conflict, SystemFailure


class Lock:
    """A file locked with flock(2) as long as this object is not closed; it holds our pid."""

    def __init__(self, path: Path, purpose: str) -> None:
        """Take the lock, or raise Conflict. purpose: what another daemon would be using, for the message."""
        self._path = path
        self._fd = _open(path)
        _lock(self._fd, purpose)
        while not _same(self._fd, path):
            os.close(self._fd)  # its owner went away, and the file with it, while we opened it
            self._fd = _open(path)
            _lock(self._fd, purpose)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def close(self, *, remove: bool = True) -> None:
        """Drop the lock, and the file with it."""
        if remove:
            self._path.unlink(missing_ok=True)
        os.close(self._fd)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as exc:
        hint = "; run the daemon as root" if os.geteuid() else ""
        raise SystemFailure(f"can't open {path}: {exc.strerror}{hint}") from exc


def _lock(fd: int, purpose: str) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        pid = os.read(fd, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise Conflict(
            f"failed to start daemon: {purpose} is used by another daemon, process with PID {pid} is "
            "still running; stop it, or give this daemon paths of its own"
        ) from exc


def _same(fd: int, path: Path) -> bool:
    """Whether the locked file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False
