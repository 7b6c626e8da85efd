"""Volumes as directories below the data-root: `<root>/<name>/_data`.

With the options ``type``, ``device`` and ``o`` (as mount(8) has them) the directory is a mount point,
mounted for the first container that uses the volume and unmounted after the last. Who uses it is
kept as files in `<root>/<name>/users/`, so that a new daemon knows.
"""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from engine.errdefs import InvalidParameter, SystemFailure
from engine.linux import mount as sys
from engine.linux.mount_options import MountOptions

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
# An option → those that must come with it.
_NEEDS: dict[str, tuple[str, ...]] = {"type": ("device",), "device": ("type",), "o": ("type", "device")}


class LocalDriver:
    """See engine.driverapi.volume.VolumeDriver."""

    name = "local"

    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, name: str, options: Mapping[str, str]) -> None:
        """Make `<root>/<name>/_data`; idempotent."""
        _check_name(name)
        _check_options(options)
        try:
            (self._root / name).mkdir(mode=0o701, exist_ok=True)
            self.path(name).mkdir(mode=0o755, exist_ok=True)
        except OSError as exc:
            raise SystemFailure(
                f"error while creating volume path '{self.path(name)}': {exc.strerror}"
            ) from exc

    def path(self, name: str) -> Path:
        """The content's directory."""
        return self._root / name / "_data"

    def mount(self, name: str, options: Mapping[str, str], user: str) -> Path:
        """Note the user; mount what the options name unless it is mounted."""
        path = self.path(name)
        if "device" in options:
            if not _mounted(path):
                _mount(name, path, options)
            users = self._users(name)
            users.mkdir(mode=0o700, exist_ok=True)
            (users / user).touch()
        elif not path.is_dir():
            raise SystemFailure(
                f"volume {name} has lost its directory {path}; remove the volume and make it anew"
            )
        return path

    def unmount(self, name: str, user: str) -> None:
        """Forget the user; unmount after the last one."""
        users = self._users(name)
        if not users.is_dir():
            return
        (users / user).unlink(missing_ok=True)
        if not any(users.iterdir()):
            users.rmdir()
            _unmount(name, self.path(name))

    def remove(self, name: str) -> None:
        """Delete the volume's tree, never what is mounted on it."""
        _check_name(name)
        _unmount(name, self.path(name))
        try:
            shutil.rmtree(self._root / name)
        except FileNotFoundError:
            return
        except OSError as exc:
            raise SystemFailure(f"can't remove volume {name}: {exc.filename}: {exc.strerror}") from exc

    def _users(self, name: str) -> Path:
        return self._root / name / "users"


def _check_name(name: str) -> None:
    if len(name) < 2:
        raise InvalidParameter(
            "volume name is too short, names should be at least two alphanumeric characters"
        )
    if not _NAME.fullmatch(name):
        raise InvalidParameter(
            f'"{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, '
            "use absolute path"
        )


def _check_options(options: Mapping[str, str]) -> None:
    for option in options:
        if option not in _NEEDS:
            raise InvalidParameter(f'invalid option: "{option}"')
        for other in _NEEDS[option]:
            if other not in options:
                raise InvalidParameter(f'missing required option: "{other}"')


def _mount(name: str, path: Path, options: Mapping[str, str]) -> None:
    device, kind = options["device"], options["type"]
    wanted = MountOptions([_resolved(option) for option in options.get("o", "").split(",") if option])
    try:
        sys.mount(device, str(path), kind, wanted.flags, wanted.data or None)
        # The kernel ignores other flags of a bind mount until it is mounted again.
        if wanted.flags & sys.MS_BIND and wanted.flags & ~(sys.MS_BIND | sys.MS_REC):
            sys.mount(None, str(path), None, wanted.flags | sys.MS_REMOUNT)
        for propagation in wanted.propagation:
            sys.mount(None, str(path), None, propagation)
    except OSError as exc:
        if _mounted(path):
            sys.umount2(str(path), sys.MNT_DETACH)
        raise SystemFailure(
            f"error while mounting volume '{path}': failed to mount local volume: mount {device}:{path}, "
            f"flags: {hex(wanted.flags)}, data: {wanted.data}: {(exc.strerror or '').lower()}"
        ) from exc


def _resolved(option: str) -> str:
    """``addr=NAME`` with the name's address: the kernel's network file systems resolve none."""
    key, _, value = option.partition("=")
    if key != "addr":
        return option
    try:
        return f"addr={socket.getaddrinfo(value, None)[0][4][0]}"
    except OSError as exc:
        raise SystemFailure(f"error resolving passed in network volume address {value}: {exc}") from exc


def _unmount(name: str, path: Path) -> None:
    try:
        while _mounted(path):
            sys.umount2(str(path), sys.UMOUNT_NOFOLLOW)
    except OSError as exc:
        raise SystemFailure(f"error while unmounting volume {name} at {path}: {exc.strerror}") from exc


def _mounted(path: Path) -> bool:
    """Whether something is mounted there (os.path.ismount misses bind mounts within one file system)."""
    # proc(5): the fifth field is the mount point, with blanks, tabs, newlines and backslashes in octal.
    wanted = re.sub(r"[ \t\n\\]", lambda match: f"\\{ord(match[0]):03o}", str(path)).encode()
    with Path("/proc/self/mountinfo").open("rb") as mounts:
        return any(line.split(b" ", 5)[4] == wanted for line in mounts)
