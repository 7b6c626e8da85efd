"""One daemon a data-root, an exec-root, a pid file, a bridge: locks that the kernel drops with a daemon."""

from __future__ import annotations

import fcntl
import os
import socket
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


class BridgeLock:
    """A claim on a bridge in this network namespace.

    It is an abstract socket address: those belong to a network namespace, as bridges do (unix(7)).
    """

    def __init__(self, bridge: str) -> None:
        """Take it, or raise Conflict."""
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.bind(f"\0dockyard/bridge/{bridge}")
        except OSError as exc:
            self._socket.close()
            raise Conflict(
                f"failed to start daemon: bridge {bridge} is used by another daemon on this host; "
                "stop it, or give this daemon a --bridge of its own (and a --cgroup-parent)"
            ) from exc

    def close(self) -> None:
        """Let it go."""
        self._socket.close()


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
