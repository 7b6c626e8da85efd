"""openat2(2): path resolution that cannot leave a directory (Linux 5.6)."""

from __future__ import annotations

import ctypes
import os

from engine.linux.libc import SYS_openat2, check, syscall

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10


class _OpenHow(ctypes.Structure):
    """struct open_how."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(dirfd: int, path: str, flags: int, mode: int = 0, resolve: int = RESOLVE_IN_ROOT) -> int:
    """Open `path` below `dirfd`; with RESOLVE_IN_ROOT links and ".." stay inside it, as in a chroot."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    args = (ctypes.c_int(dirfd), os.fsencode(path), ctypes.byref(how), ctypes.c_size_t(ctypes.sizeof(how)))
    return check(syscall(SYS_openat2, *args), "openat2", path)
