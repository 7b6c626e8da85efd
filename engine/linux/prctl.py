"""prctl(2), and the process-wide switches that belong beside it."""

from __future__ import annotations

import ctypes

from engine.linux.libc import SYS_close_range, check, libc, number, syscall

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_SET_SECCOMP = 22
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4

KEYCTL_JOIN_SESSION_KEYRING = 1
CLOSE_RANGE_CLOEXEC = 4


def prctl(option: int, arg2: int = 0, arg3: int = 0, *, name: str = "prctl") -> int:
    """prctl(2); unused arguments are zero, as the kernel demands of most options."""
    args = (ctypes.c_ulong(arg2), ctypes.c_ulong(arg3), ctypes.c_ulong(0), ctypes.c_ulong(0))
    return check(libc.prctl(ctypes.c_int(option), *args), name)


def set_name(name: str) -> None:
    """What ps shows as the command, at most 15 bytes."""
    check(libc.prctl(ctypes.c_int(PR_SET_NAME), name.encode()[:15], 0, 0, 0), "prctl(PR_SET_NAME)")


def set_child_subreaper() -> None:
    """Become the parent of descendants whose own parent ended."""
    prctl(PR_SET_CHILD_SUBREAPER, 1, name="prctl(PR_SET_CHILD_SUBREAPER)")


def set_no_new_privs() -> None:
    """From now on execve grants nothing: no set-user-ID, no file capabilities."""
    prctl(PR_SET_NO_NEW_PRIVS, 1, name="prctl(PR_SET_NO_NEW_PRIVS)")


def set_dumpable(dumpable: bool) -> None:
    """Not dumpable: other processes of the container can neither trace us nor open our /proc files."""
    prctl(PR_SET_DUMPABLE, int(dumpable), name="prctl(PR_SET_DUMPABLE)")


def join_session_keyring(name: str) -> None:
    """Leave the host's session keyring for a fresh one."""
    args = (ctypes.c_int(KEYCTL_JOIN_SESSION_KEYRING), name.encode())
    check(syscall(number("keyctl"), *args), "keyctl(KEYCTL_JOIN_SESSION_KEYRING)", name)


def close_on_exec_from(first: int) -> None:
    """Mark every descriptor from `first` on close-on-exec, whoever opened it (Linux 5.11)."""
    args = (ctypes.c_uint(first), ctypes.c_uint(0xFFFFFFFF), ctypes.c_uint(CLOSE_RANGE_CLOEXEC))
    check(syscall(SYS_close_range, *args), "close_range")
