"""Capabilities(7): the five sets of a process, by their OCI names."""

from __future__ import annotations

import ctypes

from engine.linux.libc import check, libc
from engine.linux.prctl import (
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_CLEAR_ALL,
    PR_CAP_AMBIENT_RAISE,
    PR_CAPBSET_DROP,
    PR_CAPBSET_READ,
    PR_SET_KEEPCAPS,
    prctl,
)

#: In the order of their numbers (linux/capability.h).
NAMES: tuple[str, ...] = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)
NUMBERS: dict[str, int] = {name: number for number, name in enumerate(NAMES)}

_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def mask(names: list[str], allowed: int) -> int:
    """The bits of `names` that are also in `allowed`. Names this kernel's table lacks are left out."""
    bits = 0
    for name in names:
        number = NUMBERS.get(name)
        if number is not None:
            bits |= 1 << number
    return bits & allowed


def bounding_set() -> int:
    """Our own bounding set as a bit mask, from /proc/self/status (one read instead of 41 prctls)."""
    with open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"CapBnd:"):
                return int(line[7:], 16)
    return _probe()


def _probe() -> int:
    found = 0
    for number in range(len(NAMES)):
        if prctl(PR_CAPBSET_READ, number):
            found |= 1 << number
    return found


def drop_bounding(keep: int, current: int) -> None:
    """Take everything that is not in `keep` out of the bounding set. Needs CAP_SETPCAP."""
    gone = current & ~keep
    for number in range(gone.bit_length()):
        if gone >> number & 1:
            prctl(PR_CAPBSET_DROP, number, name="prctl(PR_CAPBSET_DROP)")


def keep_across_setuid(keep: bool) -> None:
    """Whether giving up uid 0 leaves the permitted set alone."""
    prctl(PR_SET_KEEPCAPS, int(keep), name="prctl(PR_SET_KEEPCAPS)")


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """capset(2) on ourselves."""
    header = _Header(_VERSION_3, 0)
    low = 0xFFFFFFFF
    data = (_Data * 2)(
        _Data(effective & low, permitted & low, inheritable & low),
        _Data(effective >> 32, permitted >> 32, inheritable >> 32),
    )
    check(libc.capset(ctypes.byref(header), data), "capset")


def set_ambient(bits: int) -> None:
    """Make the ambient set exactly `bits`, all of which must be permitted and inheritable."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, name="prctl(PR_CAP_AMBIENT)")
    for number in range(bits.bit_length()):
        if bits >> number & 1:
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, name="prctl(PR_CAP_AMBIENT)")
