"""Namespaces: unshare(2), setns(2), and the OCI names of their kinds."""

from __future__ import annotations

import ctypes

from engine.linux.libc import check, libc

CLONE_NEWTIME = 0x80
CLONE_NEWNS = 0x20000
CLONE_NEWCGROUP = 0x2000000
CLONE_NEWUTS = 0x4000000
CLONE_NEWIPC = 0x8000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

#: OCI namespace type → flag.
FLAGS: dict[str, int] = {
    "cgroup": CLONE_NEWCGROUP,
    "ipc": CLONE_NEWIPC,
    "mount": CLONE_NEWNS,
    "network": CLONE_NEWNET,
    "pid": CLONE_NEWPID,
    "time": CLONE_NEWTIME,
    "user": CLONE_NEWUSER,
    "uts": CLONE_NEWUTS,
}


def unshare(flags: int) -> None:
    """unshare(2). CLONE_NEWPID concerns the children to come, not the caller."""
    check(libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(fd: int, flags: int = 0) -> None:
    """setns(2): `fd` is a namespace file, or (Linux 5.8) a pidfd with the flags of what to join."""
    check(libc.setns(ctypes.c_int(fd), ctypes.c_int(flags)), "setns")


def sethostname(name: str) -> None:
    """sethostname(2)."""
    raw = name.encode()
    check(libc.sethostname(raw, ctypes.c_size_t(len(raw))), "sethostname", name)


def setdomainname(name: str) -> None:
    """setdomainname(2): the NIS domain name."""
    raw = name.encode()
    check(libc.setdomainname(raw, ctypes.c_size_t(len(raw))), "setdomainname", name)
