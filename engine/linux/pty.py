"""Pseudo-terminals of a container's own devpts."""

from __future__ import annotations

import fcntl
import os
import struct
import termios

TIOCGPTN = 0x80045430
TIOCSPTLCK = 0x40045431


def open_pty(devpts: str = "/dev/pts") -> tuple[int, int, str]:
    """A new terminal of the devpts instance mounted there: (master fd, slave fd, slave path)."""
    flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
    master = os.open(f"{devpts}/ptmx", flags)
    fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
    number = struct.unpack("i", fcntl.ioctl(master, TIOCGPTN, b"\0\0\0\0"))[0]
    path = f"{devpts}/{number}"
    return master, os.open(path, flags), path


def set_size(fd: int, rows: int, columns: int) -> None:
    """Set the window size; the kernel sends SIGWINCH to the foreground process group."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows & 0xFFFF, columns & 0xFFFF, 0, 0))


def make_controlling(fd: int) -> None:
    """Make the terminal the controlling one of the session we lead."""
    fcntl.ioctl(fd, termios.TIOCSCTTY, 0)
