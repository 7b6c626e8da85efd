"""A terminal for the docker CLI: type at it, read what it shows."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from types import TracebackType

from tests.harness.engines import Docker


class Terminal:
    """`docker …` on a pseudo-terminal of its own."""

    def __init__(self, docker: Docker, *args: str, rows: int = 30, columns: int = 100) -> None:
        self._master, slave = pty.openpty()
        self.resize(rows, columns)
        self.process = docker.popen(
            *args, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, close_fds=True
        )
        os.close(slave)
        self.shown = b""

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size; docker hears of it by SIGWINCH."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str | bytes) -> None:
        """Press keys."""
        os.write(self._master, text if isinstance(text, bytes) else text.encode())

    def expect(self, text: str, timeout: float = 20.0) -> str:
        """Read until `text` has been shown since the last call; what was shown."""
        deadline = time.monotonic() + timeout
        wanted = text.encode()
        while wanted not in self.shown:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} never came; shown: {self.shown!r}")
        before, _, self.shown = self.shown.partition(wanted)
        return (before + wanted).decode("utf-8", "replace")

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: the other side is closed
            return False
        self.shown += data
        return bool(data)

    def wait(self, timeout: float = 20.0) -> int:
        """The CLI's exit code."""
        deadline = time.monotonic() + timeout
        while self._read(min(deadline, time.monotonic() + 0.2)) or self.process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"docker does not end; shown: {self.shown!r}")
        return self.process.wait()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)


def until(condition: object, timeout: float = 20.0) -> None:
    """Wait for a condition, a function without arguments."""
    deadline = time.monotonic() + timeout
    assert callable(condition)
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
