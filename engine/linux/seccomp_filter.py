"""Loading a compiled seccomp filter (BPF program) into ourselves, seccomp(2)."""

from __future__ import annotations

import ctypes

from engine.linux.libc import check, number, syscall

SECCOMP_SET_MODE_FILTER = 1
_INSTRUCTION = 8  # sizeof(struct sock_filter)


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def load(program: bytes, flags: int = 0) -> None:
    """Install the filter. Needs no_new_privs or CAP_SYS_ADMIN; allows no way back."""
    fprog = _Program(len(program) // _INSTRUCTION, program)
    args = (ctypes.c_uint(SECCOMP_SET_MODE_FILTER), ctypes.c_uint(flags), ctypes.byref(fprog))
    check(syscall(number("seccomp"), *args), "seccomp")
