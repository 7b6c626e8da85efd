"""What ps shows of a process: the memory that holds its arguments, overwritten in place.

proc_pid_cmdline(5): the kernel reads it from where it put the arguments at execve. prctl(PR_SET_MM)
could move that place, but takes CAP_SYS_RESOURCE.
"""

from __future__ import annotations

import ctypes

_start = 0
_size = 0


def locate() -> None:
    """Find the argument memory; children inherit the knowledge."""
    global _start, _size
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    _start = int(fields[45])  # proc_pid_stat(5): arg_start is field 48, and the first two are cut off
    _size = int(fields[46]) - _start


def set_title(title: str) -> None:
    """Show `title`, cut to the room there is."""
    if _size > 0:
        text = title.encode()[: _size - 1]
        ctypes.memmove(_start, text.ljust(_size, b"\0"), _size)
