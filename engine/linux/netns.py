"""Network namespaces: made, entered and removed by short-lived threads.

A namespace lives on as a bind mount of nsfs on a file (ip-netns(8) does the same). The thread that
unshares or enters a namespace ends with the call, so no pooled thread is ever left in a foreign one.
Sources: network_namespaces(7), unshare(2), setns(2).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_PRIVATE = 1 << 18
MNT_DETACH = 2
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_void_p,
)
_libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def unshare_net() -> None:
    """Move the calling thread into a new network namespace."""
    _check(_libc.unshare(CLONE_NEWNET), "unshare(CLONE_NEWNET)")


def setns_net(fd: int) -> None:
    """Move the calling thread into the network namespace that `fd` refers to."""
    _check(_libc.setns(fd, CLONE_NEWNET), "setns")


def _mount(source: str, target: str, flags: int) -> None:
    _check(_libc.mount(os.fsencode(source), os.fsencode(target), None, flags, None), f"mount {target}")


def prepare_directory(path: str) -> None:
    """Make `path` a private mount point.

    Were it shared, every namespace mounted below would be copied into other mount namespaces
    and stay busy there after we let go of it.
    """
    os.makedirs(path, mode=0o711, exist_ok=True)
    if not is_mount(path):
        _mount(path, path, MS_BIND)
    _mount("none", path, MS_PRIVATE)


def release_directory(path: str) -> None:
    """Undo `prepare_directory`, if no namespace is kept there any more."""
    try:
        if not os.listdir(path) and is_mount(path):
            _check(_libc.umount2(os.fsencode(path), MNT_DETACH), f"umount {path}")
    except FileNotFoundError:
        pass


def is_mount(path: str) -> bool:
    """Whether something is mounted on `path` in our mount namespace (bind mounts of a file count)."""
    real = os.path.realpath(path)
    wanted = real.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011")
    with open("/proc/thread-self/mountinfo") as table:
        return any(line.split(" ", 5)[4] == wanted for line in table)


def in_thread(function: Callable[[], T]) -> T:
    """Call `function` on a thread of its own, which ends with it; its exception is raised here."""
    outcome: list[Any] = [None, None]

    def body() -> None:
        try:
            outcome[0] = function()
        except BaseException as exc:
            outcome[1] = exc

    thread = threading.Thread(target=body, name="netns")
    thread.start()
    thread.join()
    if outcome[1] is not None:
        raise outcome[1]
    result: T = outcome[0]
    return result


def create(path: str) -> None:
    """Make a network namespace with lo up, bound to the file `path` (which must not exist).

    New interfaces in it get no IPv6 addresses of their own; lo keeps ::1.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))

    def body() -> None:
        unshare_net()
        _link_up("lo")
        _write_sysctl("net/ipv6/conf/default/disable_ipv6", "1")
        _mount("/proc/thread-self/ns/net", path, MS_BIND)

    try:
        in_thread(body)
    except BaseException:
        os.unlink(path)
        raise


def run_in(path: str, function: Callable[[], T]) -> T:
    """Call `function` with the calling thread inside the namespace bound to `path`.

    Sockets made there stay in that namespace; anything else must not outlive the call.
    """

    def body() -> T:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns_net(fd)
        finally:
            os.close(fd)
        return function()

    return in_thread(body)


def rename(old: str, new: str) -> None:
    """Move the namespace of `old` to the file `new`, in the same private directory."""
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    try:
        _mount(old, new, MS_MOVE)  # umount(2) would wait for a grace period of RCU
    except OSError:
        os.unlink(new)
        raise
    os.unlink(old)


def remove(path: str) -> None:
    """Unbind and delete; a missing one is no error. The namespace ends with its last process."""
    while True:
        if _libc.umount2(os.fsencode(path), MNT_DETACH) < 0:
            number = ctypes.get_errno()
            if number in (errno.EINVAL, errno.ENOENT):
                break
            raise OSError(number, os.strerror(number), path)
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _link_up(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        request = struct.pack("16sh14x", name.encode(), 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(sock, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh14x", name.encode(), flags | IFF_UP))


def _write_sysctl(key: str, value: str) -> None:
    """Set a network sysctl of the calling thread's namespace, if this kernel has it."""
    try:
        fd = os.open(f"/proc/sys/{key}", os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)
