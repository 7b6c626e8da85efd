"""Making the container's file system, from inside its new mount namespace.

The order is what keeps a hostile image from reaching the host: sources of bind mounts are cloned as
detached trees while the host's paths are still visible; then pivot_root; and only then are targets
looked up and made, so that a symbolic link in the image leads nowhere but into the image.
Propagation is the mount's own: a clone of a shared host mount stays its peer if "rshared" is asked
for, whatever happens to the rest of our copy of the host's tree.
"""

from __future__ import annotations

import errno
import os
import stat

from engine.linux import mount as m
from engine.linux.cgroup import Cgroup
from engine.linux.mount_options import MountOptions
from engine.linux.namespaces import CLONE_NEWCGROUP
from engine.shim.failure import SetupError, step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Spec = dict[str, Any]
    #: One mount to make: its OCI object, its options, and for a bind the fd of the cloned tree.
    Prepared = tuple[dict[str, Any], MountOptions, int]

#: Nodes every container has (OCI config-linux.md, "Default Devices"): name, major, minor.
DEFAULT_DEVICES: tuple[tuple[str, int, int], ...] = (
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
)
DEV_LINKS: tuple[tuple[str, str], ...] = (
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
)
_KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}
_ROOT_PROPAGATION = {
    "shared": m.MS_SHARED | m.MS_REC,
    "rshared": m.MS_SHARED | m.MS_REC,
    "unbindable": m.MS_UNBINDABLE | m.MS_REC,
    "runbindable": m.MS_UNBINDABLE | m.MS_REC,
}


def is_bind(entry: dict[str, Any], options: MountOptions) -> bool:
    """Whether an OCI mount is a bind: by its type or its options."""
    return entry.get("type") == "bind" or bool(options.flags & m.MS_BIND)


def prepare(spec: Spec) -> list[Prepared]:
    """Clone the sources of all bind mounts, while the host's file system is still there."""
    prepared: list[Prepared] = []
    for entry in spec.get("mounts") or ():
        options = MountOptions(entry.get("options") or [])
        tree = -1
        if is_bind(entry, options):
            with step("mount", entry["source"], entry["destination"]):
                recursive = bool(options.flags & m.MS_REC) or not options.flags & m.MS_BIND
                tree = m.open_tree(entry["source"], recursive=recursive)
        prepared.append((entry, options, tree))
    return prepared


def enter(root: str) -> None:
    """Make `root` the root directory and let go of the host's."""
    with step("make mounts private", "/"):
        m.mount(None, "/", None, m.MS_SLAVE | m.MS_REC)
    with step("bind rootfs", root):
        m.mount(root, root, None, m.MS_BIND | m.MS_REC)
        os.chdir(root)
    with step("pivot_root", root):
        # The old root ends on top of the new one, at the same place: no directory is needed for it.
        m.pivot_root(".", ".")
        m.umount2(".", m.MNT_DETACH)
        os.chdir("/")


def populate(spec: Spec, prepared: list[Prepared], cgroup: Cgroup, namespaces: int) -> None:
    """All mounts in the spec's order, then /dev."""
    own_dev = False
    for entry, options, tree in prepared:
        target = entry["destination"]
        if tree >= 0:
            _attach(entry, options, tree)
        elif entry.get("type") == "cgroup":
            _mount_cgroup(target, options, cgroup, bool(namespaces & CLONE_NEWCGROUP))
        else:
            _mount_fs(entry, options)
        if os.path.normpath(target) == "/dev":
            own_dev = tree < 0
    if own_dev:
        make_devices(spec)


def _attach(entry: dict[str, Any], options: MountOptions, tree: int) -> None:
    target = entry["destination"]
    with step("mount", entry["source"], target):
        _make_target(target, directory=stat.S_ISDIR(os.fstat(tree).st_mode))
        set_, clear = options.attributes()
        if set_ or clear:
            m.mount_setattr(tree, attr_set=set_, attr_clr=clear)
        if options.recursive_set or options.recursive_clear:
            m.mount_setattr(
                tree, attr_set=options.recursive_set, attr_clr=options.recursive_clear, recursive=True
            )
        for propagation in options.propagation or [m.MS_PRIVATE | m.MS_REC]:
            m.mount_setattr(tree, propagation=propagation & ~m.MS_REC, recursive=bool(propagation & m.MS_REC))
        m.move_mount(tree, target)
        os.close(tree)


def _mount_fs(entry: dict[str, Any], options: MountOptions) -> None:
    target, fstype = entry["destination"], entry.get("type") or "none"
    with step("mount", entry.get("source") or fstype, target):
        if fstype in ("proc", "sysfs") and os.path.islink(target):
            # Everything that is masked below /proc would be somewhere else.
            raise SetupError(f"{fstype} must be mounted on ordinary directory", errno.ENOTDIR, target)
        _make_target(target, directory=True)
        # /dev is written to below before it becomes read-only.
        flags = options.flags & ~m.MS_RDONLY if os.path.normpath(target) == "/dev" else options.flags
        m.mount(entry.get("source") or fstype, target, fstype, flags, options.data or None)
        for propagation in options.propagation:
            m.mount(None, target, None, propagation)


def _make_target(target: str, *, directory: bool) -> None:
    """Make sure that `target` is there, and is of the kind that will be mounted on it."""
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        path = os.path.realpath(target)  # a dangling link in the image is followed, as a shell would
        if directory:
            os.makedirs(path, 0o755, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        return
    if stat.S_ISDIR(mode) != directory:
        # mount(2) says ENOTDIR, move_mount(2) the less telling EINVAL
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), target)


def _mount_cgroup(target: str, options: MountOptions, cgroup: Cgroup, private: bool) -> None:
    """The container's view of its own control groups; `private` when it has a cgroup namespace."""
    flags = options.flags & ~m.MS_RDONLY
    with step("mount", "cgroup", target):
        _make_target(target, directory=True)
        if cgroup.layout.version == 2:
            m.mount("cgroup", target, "cgroup2", options.flags)
            return
        m.mount("tmpfs", target, "tmpfs", flags & ~m.MS_RELATIME, "mode=755")
        by_point: dict[str, list[str]] = {}
        for name, point in cgroup.layout.mounts.items():
            by_point.setdefault(point, []).append(name)
        for point, names in by_point.items():
            short = os.path.basename(point)
            place = f"{target}/{short}"
            os.mkdir(place, 0o755)
            m.mount("cgroup", place, "cgroup", options.flags, ",".join(names))
            for name in names:
                alias = name.removeprefix("name=")
                if alias != short:
                    os.symlink(short, f"{target}/{alias}")
        if options.flags & m.MS_RDONLY:
            m.mount(None, target, None, m.MS_REMOUNT | m.MS_BIND | options.flags & ~m.MS_RELATIME)


def make_devices(spec: Spec) -> None:
    """Nodes and links below a /dev of our own."""
    for name, major, minor in DEFAULT_DEVICES:
        _mknod(f"/dev/{name}", stat.S_IFCHR | 0o666, os.makedev(major, minor), 0, 0)
    for device in (spec.get("linux") or {}).get("devices") or ():
        path = device["path"]
        if not path.startswith("/dev/"):
            os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        kind = _KINDS.get(device.get("type", "c"), stat.S_IFCHR)
        mode = kind | (device.get("fileMode") or 0o666)
        number = os.makedev(device.get("major") or 0, device.get("minor") or 0)
        _mknod(path, mode, number, device.get("uid") or 0, device.get("gid") or 0)
    for source, link in DEV_LINKS:
        if not os.path.lexists(link):
            with step("symlink", link):
                os.symlink(source, link)
    if os.path.exists("/proc/kcore") and not os.path.lexists("/dev/core"):
        os.symlink("/proc/kcore", "/dev/core")


def _mknod(path: str, mode: int, device: int, uid: int, gid: int) -> None:
    with step("mknod", path):
        try:
            os.mknod(path, mode, device)
        except FileExistsError:
            return
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
            os.mknod(path, mode, device)
        if uid or gid:
            os.chown(path, uid, gid)


def bind_console(slave_path: str) -> None:
    """/dev/console is the process's own terminal."""
    with step("console", "/dev/console"):
        os.close(os.open("/dev/console", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY, 0o666))
        m.mount(slave_path, "/dev/console", None, m.MS_BIND)


def seal(spec: Spec, prepared: list[Prepared]) -> None:
    """Read-only and masked paths, read-only /dev and root, the root's propagation: all that ends writing."""
    linux = spec.get("linux") or {}
    for entry, options, tree in prepared:
        if tree < 0 and os.path.normpath(entry["destination"]) == "/dev" and options.flags & m.MS_RDONLY:
            with step("remount", "/dev"):
                m.mount(None, "/dev", None, m.MS_REMOUNT | m.MS_BIND | options.flags)
    for path in linux.get("readonlyPaths") or ():
        with step("readonly path", path):
            make_readonly(path)
    for path in linux.get("maskedPaths") or ():
        with step("mask path", path):
            mask(path)
    propagation = _ROOT_PROPAGATION.get(linux.get("rootfsPropagation") or "")
    if propagation:
        with step("rootfs propagation", "/"):
            m.mount(None, "/", None, propagation)
    if (spec.get("root") or {}).get("readonly"):
        with step("remount read-only", "/"):
            m.mount(None, "/", None, m.MS_REMOUNT | m.MS_BIND | m.MS_RDONLY | _kept_flags("/"))


def _kept_flags(path: str) -> int:
    """Flags a bind remount must repeat or lose."""
    flags = os.statvfs(path).f_flag
    return flags & (m.MS_NOSUID | m.MS_NODEV | m.MS_NOEXEC)


def make_readonly(path: str) -> None:
    """Bind a path onto itself, read-only. A missing one is left alone."""
    if not os.path.exists(path):
        return
    tree = m.open_tree(path)
    m.mount_setattr(tree, attr_set=m.MOUNT_ATTR_RDONLY)
    m.move_mount(tree, path)
    os.close(tree)


def mask(path: str) -> None:
    """Hide a file behind /dev/null, a directory behind an empty read-only tmpfs."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        m.mount("tmpfs", path, "tmpfs", m.MS_RDONLY, "nr_blocks=1,nr_inodes=1")
        return
    null = os.stat("/dev/null")
    if null.st_rdev != os.makedev(1, 3):
        raise SetupError("mask path", 0, path, "/dev/null of the container is not the null device")
    m.mount("/dev/null", path, None, m.MS_BIND)
