"""The C library: how every other module here reaches the kernel, and how its refusals are raised.

Python 3.11 has neither `unshare` nor `setns`, and no version has `pivot_root` or the mount API of
Linux 5.2. System calls without a wrapper in glibc go by number; those added since 5.1 have the same
number on every architecture.
"""

from __future__ import annotations

import ctypes
import os

# PyDLL: the interpreter lock stays ours. The spawner, monitors and init have one thread, and a fork
# must never happen while another thread may hold a lock.
libc = ctypes.PyDLL(None, use_errno=True)

_MACHINE = os.uname().machine
#: name → number, for calls older than the common numbering.
_NUMBERS: dict[str, dict[str, int]] = {
    "x86_64": {"pivot_root": 155, "keyctl": 250, "seccomp": 317, "bpf": 321, "rt_sigaction": 13},
    "aarch64": {"pivot_root": 41, "keyctl": 219, "seccomp": 277, "bpf": 280, "rt_sigaction": 134},
}
SYS_open_tree = 428
SYS_move_mount = 429
SYS_clone3 = 435
SYS_close_range = 436
SYS_openat2 = 437
SYS_mount_setattr = 442


def number(name: str) -> int:
    """The system call number of `name` on this machine; NotImplementedError on one we don't know."""
    try:
        return _NUMBERS[_MACHINE][name]
    except KeyError:
        raise NotImplementedError(f"system call {name} on {_MACHINE}") from None


class KernelError(OSError):
    """A system call failed. operation: its name; filename: the path it was about, if any."""

    def __init__(self, operation: str, errno: int, path: str | None = None) -> None:
        super().__init__(errno, os.strerror(errno), path)
        self.operation = operation


def check(result: int, operation: str, path: str | None = None) -> int:
    """Return `result`, or raise KernelError if it is -1."""
    if result == -1:
        raise KernelError(operation, ctypes.get_errno(), path)
    return result


def syscall(nr: int, *args: object) -> int:
    """The raw result; pass integers as ctypes types where 32 bits are not enough."""
    result: int = libc.syscall(ctypes.c_long(nr), *args)
    return result


libc.syscall.restype = ctypes.c_long
