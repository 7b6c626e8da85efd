"""mount(2), pivot_root(2) and the file-descriptor based mount API (Linux 5.2, mount_setattr 5.12)."""

from __future__ import annotations

import ctypes
import os

from engine.linux.libc import SYS_mount_setattr, SYS_move_mount, SYS_open_tree, check, libc, number, syscall

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_SYNCHRONOUS = 16
MS_REMOUNT = 32
MS_MANDLOCK = 64
MS_DIRSYNC = 128
MS_NOSYMFOLLOW = 256
MS_NOATIME = 1024
MS_NODIRATIME = 2048
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_SILENT = 32768
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_RELATIME = 1 << 21
MS_STRICTATIME = 1 << 24

MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 4
MOVE_MOUNT_T_SYMLINKS = 0x10

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR__ATIME = 0x70
MOUNT_ATTR_NOATIME = 0x10
MOUNT_ATTR_STRICTATIME = 0x20
MOUNT_ATTR_NODIRATIME = 0x80
MOUNT_ATTR_NOSYMFOLLOW = 0x200000


class _MountAttr(ctypes.Structure):
    """struct mount_attr, mount_setattr(2)."""

    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)


def _encode(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def mount(
    source: str | None, target: str, fstype: str | None = None, flags: int = 0, data: str | None = None
) -> None:
    """mount(2)."""
    check(
        libc.mount(_encode(source), _encode(target), _encode(fstype), flags, _encode(data)), "mount", target
    )


def umount2(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    check(libc.umount2(_encode(target), flags), "umount", target)


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2)."""
    new, old = os.fsencode(new_root), os.fsencode(put_old)
    check(syscall(number("pivot_root"), new, old), "pivot_root", new_root)


def open_tree(path: str, *, recursive: bool = True) -> int:
    """Clone the mount at `path` as a detached tree, a bind mount that is not yet anywhere; returns its fd."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (AT_RECURSIVE if recursive else 0)
    return check(
        syscall(SYS_open_tree, ctypes.c_int(AT_FDCWD), os.fsencode(path), ctypes.c_uint(flags)),
        "open_tree",
        path,
    )


def move_mount(tree: int, target: str) -> None:
    """Attach a detached tree at `target`, following symbolic links there."""
    flags = ctypes.c_uint(MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS)
    args = (ctypes.c_int(tree), b"", ctypes.c_int(AT_FDCWD), os.fsencode(target), flags)
    check(syscall(SYS_move_mount, *args), "move_mount", target)


def mount_setattr(
    tree: int, *, attr_set: int = 0, attr_clr: int = 0, propagation: int = 0, recursive: bool = False
) -> None:
    """Change attributes of a mount given by fd; `recursive` for all mounts below it as well."""
    attr = _MountAttr(attr_set, attr_clr, propagation, 0)
    flags = ctypes.c_uint(AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0))
    args = (ctypes.c_int(tree), b"", flags, ctypes.byref(attr), ctypes.c_size_t(ctypes.sizeof(attr)))
    check(syscall(SYS_mount_setattr, *args), "mount_setattr")
