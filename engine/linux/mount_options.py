"""OCI mount options (config.md, "Linux mount options") as flags, attributes, propagation and data."""

from __future__ import annotations

from engine.linux.mount import (
    MOUNT_ATTR__ATIME,
    MOUNT_ATTR_NOATIME,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NODIRATIME,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_NOSYMFOLLOW,
    MOUNT_ATTR_RDONLY,
    MOUNT_ATTR_STRICTATIME,
    MS_BIND,
    MS_DIRSYNC,
    MS_MANDLOCK,
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_NOSYMFOLLOW,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_RELATIME,
    MS_REMOUNT,
    MS_SHARED,
    MS_SILENT,
    MS_SLAVE,
    MS_STRICTATIME,
    MS_SYNCHRONOUS,
    MS_UNBINDABLE,
)

#: option → (cleared, flag)
FLAGS: dict[str, tuple[bool, int]] = {
    "async": (True, MS_SYNCHRONOUS),
    "atime": (True, MS_NOATIME),
    "bind": (False, MS_BIND),
    "defaults": (False, 0),
    "dev": (True, MS_NODEV),
    "diratime": (True, MS_NODIRATIME),
    "dirsync": (False, MS_DIRSYNC),
    "exec": (True, MS_NOEXEC),
    "loud": (True, MS_SILENT),
    "mand": (False, MS_MANDLOCK),
    "noatime": (False, MS_NOATIME),
    "nodev": (False, MS_NODEV),
    "nodiratime": (False, MS_NODIRATIME),
    "noexec": (False, MS_NOEXEC),
    "nomand": (True, MS_MANDLOCK),
    "norelatime": (True, MS_RELATIME),
    "nostrictatime": (True, MS_STRICTATIME),
    "nosuid": (False, MS_NOSUID),
    "nosymfollow": (False, MS_NOSYMFOLLOW),
    "rbind": (False, MS_BIND | MS_REC),
    "relatime": (False, MS_RELATIME),
    "remount": (False, MS_REMOUNT),
    "ro": (False, MS_RDONLY),
    "rw": (True, MS_RDONLY),
    "silent": (False, MS_SILENT),
    "strictatime": (False, MS_STRICTATIME),
    "suid": (True, MS_NOSUID),
    "symfollow": (True, MS_NOSYMFOLLOW),
    "sync": (False, MS_SYNCHRONOUS),
}

PROPAGATION: dict[str, int] = {
    "private": MS_PRIVATE,
    "rprivate": MS_PRIVATE | MS_REC,
    "shared": MS_SHARED,
    "rshared": MS_SHARED | MS_REC,
    "slave": MS_SLAVE,
    "rslave": MS_SLAVE | MS_REC,
    "unbindable": MS_UNBINDABLE,
    "runbindable": MS_UNBINDABLE | MS_REC,
}

#: option → (cleared, attribute): applied to the mount and all below it (mount_setattr, AT_RECURSIVE).
RECURSIVE: dict[str, tuple[bool, int]] = {
    "rro": (False, MOUNT_ATTR_RDONLY),
    "rrw": (True, MOUNT_ATTR_RDONLY),
    "rnosuid": (False, MOUNT_ATTR_NOSUID),
    "rsuid": (True, MOUNT_ATTR_NOSUID),
    "rnodev": (False, MOUNT_ATTR_NODEV),
    "rdev": (True, MOUNT_ATTR_NODEV),
    "rnoexec": (False, MOUNT_ATTR_NOEXEC),
    "rexec": (True, MOUNT_ATTR_NOEXEC),
}

_ATTRIBUTES: tuple[tuple[int, int], ...] = (
    (MS_RDONLY, MOUNT_ATTR_RDONLY),
    (MS_NOSUID, MOUNT_ATTR_NOSUID),
    (MS_NODEV, MOUNT_ATTR_NODEV),
    (MS_NOEXEC, MOUNT_ATTR_NOEXEC),
    (MS_NODIRATIME, MOUNT_ATTR_NODIRATIME),
    (MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW),
)


class MountOptions:
    """What the options of one mount come to.

    flags, cleared: MS_* for mount(2), and those asked to be off. propagation: MS_* of every
    propagation option, in order. recursive_set, recursive_clear: MOUNT_ATTR_* for the whole tree.
    data: what the file system itself interprets.
    """

    __slots__ = ("cleared", "data", "flags", "propagation", "recursive_clear", "recursive_set")

    def __init__(self, options: list[str]) -> None:
        self.flags = self.cleared = self.recursive_set = self.recursive_clear = 0
        self.propagation: list[int] = []
        data: list[str] = []
        for option in options:
            if option in FLAGS:
                off, flag = FLAGS[option]
                self.flags = self.flags & ~flag if off else self.flags | flag
                self.cleared = self.cleared | flag if off else self.cleared & ~flag
            elif option in PROPAGATION:
                self.propagation.append(PROPAGATION[option])
            elif option in RECURSIVE:
                off, attribute = RECURSIVE[option]
                if off:
                    self.recursive_clear |= attribute
                else:
                    self.recursive_set |= attribute
            else:
                data.append(option)
        self.data = ",".join(data)

    def attributes(self) -> tuple[int, int]:
        """The same flags for mount_setattr(2): (set, clear)."""
        set_, clear = 0, 0
        for flag, attribute in _ATTRIBUTES:
            if self.flags & flag:
                set_ |= attribute
            elif self.cleared & flag:
                clear |= attribute
        # The access time modes are an enumeration: to set one, the whole field is cleared first.
        if self.flags & MS_NOATIME:
            set_, clear = set_ | MOUNT_ATTR_NOATIME, clear | MOUNT_ATTR__ATIME
        elif self.flags & MS_STRICTATIME:
            set_, clear = set_ | MOUNT_ATTR_STRICTATIME, clear | MOUNT_ATTR__ATIME
        elif self.flags & MS_RELATIME or self.cleared & MS_NOATIME:
            clear |= MOUNT_ATTR__ATIME
        return set_, clear
