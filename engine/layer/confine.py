"""Path resolution that cannot leave a directory: openat2(2) with RESOLVE_IN_ROOT.

The kernel treats the directory as the root while it walks, so neither ``..`` nor an absolute or
planted symbolic link leads outside, and there is no moment between a check and a use. Everything
below acts on a file descriptor of the parent and a last component that is never followed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat

from engine.errdefs import InvalidParameter

SYS_openat2 = 437  # the same on every architecture
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_IN_ROOT = 0x10

_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_in_root(root_fd: int, path: str, flags: int, mode: int = 0) -> int:
    """openat2(2) below `root_fd`; the descriptor is close-on-exec. Raises OSError."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    raw = os.fsencode(path) or b"."
    if b"\0" in raw:
        raise InvalidParameter(f"invalid path {path!r}: it holds a NUL byte")
    while True:
        fd: int = _libc.syscall(SYS_openat2, root_fd, raw, ctypes.byref(how), ctypes.sizeof(how))
        if fd >= 0:
            return fd
        code = ctypes.get_errno()
        if code not in (errno.EINTR, errno.EAGAIN):
            raise OSError(code, os.strerror(code), path)


def normalise(name: str) -> str:
    """`name` as a relative path without ``.``, ``..`` and doubled slashes; "" is the root itself.

    ``..`` is taken lexically; one that climbs above the root raises InvalidParameter.
    """
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                raise InvalidParameter(f"invalid path {name!r}: it points outside of the root directory")
            parts.pop()
        elif part and part != ".":
            parts.append(part)
    return "/".join(parts)


def open_directory(root_fd: int, path: str, *, create: bool = False) -> int:
    """A descriptor of directory `path` (normalised); with `create` missing parts are made, mode 0755."""
    flags = os.O_RDONLY | os.O_DIRECTORY
    try:
        return open_in_root(root_fd, path, flags)
    except OSError as exc:
        if not create or exc.errno != errno.ENOENT:
            raise
    parts = path.split("/")
    at = open_in_root(root_fd, ".", flags)
    for depth in range(1, len(parts) + 1):
        try:
            os.mkdir(parts[depth - 1], 0o755, dir_fd=at)
            os.chmod(parts[depth - 1], 0o755, dir_fd=at)  # noqa: S103  whatever the umask says
        except FileExistsError:
            pass  # may be a link; the kernel decides where it leads inside the root
        finally:
            os.close(at)
        at = open_in_root(root_fd, "/".join(parts[:depth]), flags)
    return at


def lstat_at(dir_fd: int, name: str) -> os.stat_result | None:
    """lstat of one component, None if there is none."""
    try:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def remove_at(dir_fd: int, name: str, found: os.stat_result | None = None) -> None:
    """Remove one component whatever it is, with what is below it; a missing one is no error."""
    status = found or lstat_at(dir_fd, name)
    if status is None:
        return
    if stat.S_ISDIR(status.st_mode):
        shutil.rmtree(name, dir_fd=dir_fd)
    else:
        os.unlink(name, dir_fd=dir_fd)


def proc_path(dir_fd: int, name: str = "") -> str:
    """A path for calls that take no descriptor (setxattr of a link)."""
    return f"/proc/self/fd/{dir_fd}/{name}" if name else f"/proc/self/fd/{dir_fd}"
