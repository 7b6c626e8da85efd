"""Control groups: which version this machine uses, and one container's group in it.

Both versions may be mounted at once (`/sys/fs/cgroup/unified` beside v1 hierarchies); the one that
has the controllers counts. Groups are named by a path below the mount points (OCI `cgroupsPath`,
"/pydocker/<id>"), which works the same inside a container that has only a part of the tree.
"""

from __future__ import annotations

import errno
import os
import time

from engine.linux import device_filter
from engine.linux.cgroup_knobs import V1, V2, device_rules

MOUNTINFO = "/proc/self/mountinfo"


class CgroupLayout:
    """Where the hierarchies are.

    version: 1 or 2, 0 if none is mounted. mounts: controller (or "name=systemd") → mount point; in
    version 2 the one key "".
    """

    __slots__ = ("mounts", "version")

    def __init__(self, version: int, mounts: dict[str, str]) -> None:
        self.version, self.mounts = version, mounts

    def hierarchies(self) -> list[str]:
        """The mount points, each once (cpu and cpuacct may share one)."""
        return list(dict.fromkeys(self.mounts.values()))


def parse_layout(mountinfo: str) -> CgroupLayout:
    """Read proc_pid_mountinfo(5) text."""
    v1: dict[str, str] = {}
    unified = ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fstype, _, rest = right.partition(" ")
        if fstype == "cgroup2":
            unified = unified or left.split()[4]
        elif fstype == "cgroup":
            point = left.split()[4]
            for option in rest.split()[-1].split(","):
                if option in _V1_CONTROLLERS or option.startswith("name="):
                    v1.setdefault(option, point)
    if any(not name.startswith("name=") for name in v1):
        return CgroupLayout(1, v1)
    return CgroupLayout(2, {"": unified}) if unified else CgroupLayout(0, {})


_V1_CONTROLLERS = frozenset(
    {
        "blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "misc",
        "net_cls", "net_prio", "perf_event", "pids", "rdma",
    }
)  # fmt: skip


def detect() -> CgroupLayout:
    """The layout of this machine, as our mount namespace shows it."""
    with open(MOUNTINFO, encoding="utf-8", errors="surrogateescape") as file:
        return parse_layout(file.read())


def _write(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, path) from None
    finally:
        os.close(fd)


def _read(path: str) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks = []
        while chunk := os.read(fd, 4096):  # larger buffers make a monitor's heap grow and shrink
            chunks.append(chunk)
        return b"".join(chunks).decode("ascii", "replace")
    finally:
        os.close(fd)


class Cgroup:
    """One group, in every hierarchy of the layout. Raises OSError with the file's path.

    path: "/pydocker/<id>"; must be clean and absolute (ValueError otherwise).
    """

    __slots__ = ("layout", "path")

    def __init__(self, layout: CgroupLayout, path: str) -> None:
        if not path.startswith("/") or ".." in path.split("/") or path.strip("/") == "":
            raise ValueError(f"invalid cgroupsPath {path!r}: it must be absolute, such as /pydocker/<id>")
        self.layout, self.path = layout, "/" + path.strip("/")

    def directory(self, controller: str) -> str | None:
        """The group's directory in the hierarchy of `controller`, None if that one is not mounted."""
        point = self.layout.mounts.get(controller if self.layout.version == 1 else "")
        return None if point is None else point + self.path

    def directories(self) -> list[str]:
        """The group's directory in every hierarchy."""
        return [point + self.path for point in self.layout.hierarchies()]

    def create(self) -> None:
        """Make the group and its parents, with controllers enabled or cpusets inherited on the way."""
        cpuset = self.layout.mounts.get("cpuset")
        for point in self.layout.hierarchies():
            if self.layout.version == 2:
                _enable_controllers(point, self.path)
            try:
                os.mkdir(point + self.path)
            except FileExistsError:
                pass
            except FileNotFoundError:
                _make_parents(point, self.path)
            if point == cpuset:
                _inherit_cpuset(point, self.path)

    def join_files(self) -> list[str]:
        """Files into which a single-threaded process writes "0" to join the group.

        In version 1 that is `tasks`: moving one thread, oneself, spares the kernel the lock over all
        forks that moving a process takes (cgroup_procs_write_start), which under load costs
        milliseconds.
        """
        name = "tasks" if self.layout.version == 1 else "cgroup.procs"
        return [f"{directory}/{name}" for directory in self.directories()]

    def apply(self, resources: dict[str, object]) -> None:
        """Set the limits of OCI `linux.resources` (engine.linux.cgroup_knobs)."""
        writes: list[tuple[str, str, bool]] = []
        for knob in V1 if self.layout.version == 1 else V2:
            directory = self.directory(knob.controller)
            values = knob.render(resources)
            if not values:
                continue
            if directory is None:
                if knob.optional:
                    continue
                raise OSError(errno.ENOENT, f"cgroup controller {knob.controller} is not mounted", knob.file)
            # Rules of devices repeat themselves: the defaults are among what most specs list.
            distinct = dict.fromkeys(values)
            writes.extend((f"{directory}/{knob.file}", value, knob.optional) for value in distinct)
        # memory.limit and memory.memsw.limit bound each other: whichever order the kernel refuses
        # (EINVAL), the second pass has the one it accepts. The same holds for cfs quota and period.
        again = [write for write in writes if not self._try(write, errno.EINVAL)]
        for write in again:
            self._try(write, 0)
        if self.layout.version == 2:
            self._filter_devices(resources)

    def _filter_devices(self, resources: dict[str, object]) -> None:
        rules = device_rules(resources)
        program = device_filter.assemble(rules)
        if program:
            device_filter.attach(self.directories()[0], program)

    @staticmethod
    def _try(write: tuple[str, str, bool], tolerated: int) -> bool:
        path, value, optional = write
        try:
            _write(path, value)
        except OSError as exc:
            if optional and exc.errno in (errno.ENOENT, errno.EOPNOTSUPP, errno.EACCES):
                return True
            if exc.errno == tolerated:
                return False
            if exc.errno == errno.ENOENT:
                # Version 2: a parent with processes of its own can't hand controllers down.
                words = "the cgroup controller is not enabled here; choose a cgroup parent that has it"
                raise OSError(errno.EOPNOTSUPP, words, path) from None
            raise
        return True

    def freeze(self, frozen: bool) -> None:
        """Stop all its tasks, or let them go on; returns when the kernel says so."""
        if self.layout.version == 1:
            path, value = f"{self.directory('freezer')}/freezer.state", "FROZEN" if frozen else "THAWED"
        else:
            path, value = f"{self.directory('')}/cgroup.freeze", "1" if frozen else "0"
        _write(path, value)
        deadline = time.monotonic() + 2
        while self.frozen() != frozen:
            if time.monotonic() > deadline:
                _write(path, "THAWED" if self.layout.version == 1 else "0")
                raise OSError(errno.ETIMEDOUT, "tasks do not stop", path)
            time.sleep(0.001)  # v1 has no notification, and reaches FROZEN within a tick
            if frozen and self.layout.version == 1:
                _write(path, value)  # a task forked meanwhile keeps the state at FREEZING

    def frozen(self) -> bool:
        """Whether the tasks stand still."""
        try:
            if self.layout.version == 1:
                return _read(f"{self.directory('freezer')}/freezer.state").strip() == "FROZEN"
            return "frozen 1" in _read(f"{self.directory('')}/cgroup.events")
        except OSError:
            return False

    def oom_kills(self) -> int:
        """How many of its processes the kernel killed for lack of memory."""
        v1 = self.layout.version == 1
        path = f"{self.directory('memory')}/{'memory.oom_control' if v1 else 'memory.events'}"
        try:
            for line in _read(path).splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return int(value)
        except OSError:
            pass
        return 0

    def pids(self) -> list[int]:
        """All processes in it and below it, as the reader's pid namespace numbers them."""
        name = "pids" if "pids" in self.layout.mounts else next(iter(self.layout.mounts), "")
        top = self.directory(name)
        found: set[int] = set()
        for directory, _, _ in os.walk(top) if top else ():
            try:
                found.update(int(pid) for pid in _read(f"{directory}/cgroup.procs").split())
            except OSError:
                continue
        return sorted(found)

    def kill(self) -> None:
        """SIGKILL everything in it, thawed first: frozen tasks of version 1 do not die."""
        if self.frozen():
            self.freeze(False)
        directory = self.directory("")
        if self.layout.version == 2 and directory:
            try:
                _write(f"{directory}/cgroup.kill", "1")  # Linux 5.14
                return
            except OSError:
                pass
        for pid in self.pids():
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass

    def remove(self, timeout: float = 2.0) -> None:
        """Kill what is left and remove the group with its children. A missing group is no error."""
        deadline = time.monotonic() + timeout
        left = self.directories()
        delay = 0.0005
        while left := [directory for directory in left if not _remove_tree(directory)]:
            if time.monotonic() > deadline:
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), left[0])
            self.kill()
            time.sleep(delay)  # the kernel has no event for "the last zombie has left" in version 1
            delay = min(delay * 2, 0.05)


def remove_empty(layout: CgroupLayout, path: str) -> None:
    """Take away a parent of groups in whichever hierarchy it holds none. The root stays."""
    for directory in Cgroup(layout, path).directories() if path.strip("/") else ():
        try:
            os.rmdir(directory)
        except OSError:
            pass  # in use, or not there


def _remove_tree(directory: str) -> bool:
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        return True
    except OSError:
        try:
            children = [entry.path for entry in os.scandir(directory) if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return True
        gone = [_remove_tree(child) for child in children]
        if not gone or not all(gone):
            return False
        try:
            os.rmdir(directory)
        except OSError:
            return not os.path.exists(directory)
    return True


def _make_parents(point: str, path: str) -> None:
    current = ""
    for part in path.strip("/").split("/"):
        current += f"/{part}"
        try:
            os.mkdir(point + current)
        except FileExistsError:
            pass


def _inherit_cpuset(point: str, path: str) -> None:
    """A version 1 cpuset starts empty and takes no tasks until it has cpus and memory nodes.

    clone_children makes the kernel copy both into new groups below. Others may be about to do the
    same for a parent, so each sees to its parents itself, and does not take one that has its cpus, and
    not yet its memory nodes, for complete: no task could join ours (ENOSPC).
    """
    files = [f"{point}{path}/{name}" for name in ("cpuset.cpus", "cpuset.mems")]
    if path in ("", "/") or all(_read(file).strip() for file in files):
        return
    _inherit_cpuset(point, os.path.dirname(path))
    for name in ("cpuset.cpus", "cpuset.mems"):
        _write(f"{point}{path}/{name}", _read(f"{os.path.dirname(point + path)}/{name}").strip())
    _write(f"{point}{path}/cgroup.clone_children", "1")


def _enable_controllers(point: str, path: str) -> None:
    """Version 2: a group has the controllers that its parent hands down in cgroup.subtree_control."""
    current = point
    for part in path.strip("/").split("/"):
        available = set(_read(f"{current}/cgroup.controllers").split())
        enabled = set(_read(f"{current}/cgroup.subtree_control").split())
        for name in sorted(available - enabled):
            try:
                _write(f"{current}/cgroup.subtree_control", f"+{name}")
            except OSError:
                continue  # threaded-only or busy: the knob that needs it will say so
        current += f"/{part}"
        try:
            os.mkdir(current)
        except FileExistsError:
            pass
