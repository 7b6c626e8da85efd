"""The child's side of a start: from fork to execve, for a container's init and for an exec.

It speaks with the monitor over one sequenced-packet socket (engine.shim.protocol): "ready" with the
terminal's master, then waits for "go". Everything it needs is imported before: after pivot_root the
file system is the image's.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time

from engine.linux import namespaces as ns
from engine.linux import prctl, pty
from engine.linux.cgroup import Cgroup
from engine.shim import identity, rootfs
from engine.shim.failure import SetupError, step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

GO = b"go"


class Stdio:
    """The child's standard streams when it has no terminal: descriptors for 0, 1, 2."""

    __slots__ = ("stderr", "stdin", "stdout")

    def __init__(self, stdin: int, stdout: int, stderr: int) -> None:
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr


class Launch:
    """What the child shall become.

    stdio: None for a terminal of the container's devpts. init_pidfd: of the container that an
    exec'd process joins, -1 for init itself.
    """

    __slots__ = ("cgroup", "container_id", "init_pidfd", "process", "seccomp", "spec", "stdio")

    def __init__(
        self,
        container_id: str,
        spec: dict[str, Any],
        process: dict[str, Any],
        cgroup: Cgroup,
        seccomp: bytes | None,
        init_pidfd: int = -1,
    ) -> None:
        self.container_id, self.spec, self.process, self.cgroup = container_id, spec, process, cgroup
        self.seccomp, self.init_pidfd = seccomp, init_pidfd
        self.stdio: Stdio | None = None


def namespace_plan(spec: dict[str, Any]) -> tuple[int, list[tuple[int, str]]]:
    """(flags to unshare, namespaces to join by path) of a spec."""
    new, join = 0, []
    for entry in (spec.get("linux") or {}).get("namespaces") or ():
        flag = ns.FLAGS[entry["type"]]
        if entry.get("path"):
            join.append((flag, entry["path"]))
        else:
            new |= flag
    return new, join


def run(launch: Launch, channel: socket.socket) -> NoReturn:
    """Never returns: execve, or exit 1 after reporting why not."""
    try:
        if launch.init_pidfd < 0:
            _init(launch, channel)
        else:
            _exec(launch, channel)
    except SetupError as exc:
        _report(channel, exc)
    except OSError as exc:
        operation = getattr(exc, "operation", "setting up the container")
        _report(channel, SetupError(operation, exc.errno or 0, str(exc.filename or "")))
    except BaseException as exc:
        _report(channel, SetupError("setting up the container", 0, "", f"{type(exc).__name__}: {exc}"))
    finally:
        os._exit(1)


def _report(channel: socket.socket, error: SetupError) -> None:
    try:
        channel.send(json.dumps({"error": error.to_dict()}).encode())
    except OSError:
        pass  # the monitor is gone; nobody is left to be told


def _join_cgroup(cgroup: Cgroup) -> None:
    for path in cgroup.join_files():
        with step("join cgroup", path):
            _write_file(path, "0")


def _join_group_of_init(launch: Launch) -> None:
    """A container may have divided its group (systemd, an engine); in version 2 only the leaves take
    processes then (EBUSY), and init is in one of them."""
    try:
        _join_cgroup(launch.cgroup)
    except SetupError as exc:
        if exc.number != errno.EBUSY:
            raise
        with open(f"/proc/self/fdinfo/{launch.init_pidfd}", encoding="ascii") as file:
            pid = next(line.split()[1] for line in file if line.startswith("Pid:"))
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            below = file.read().partition(launch.cgroup.path)[2].partition("\n")[0]
        _join_cgroup(Cgroup(launch.cgroup.layout, launch.cgroup.path + below))


def _init(launch: Launch, channel: socket.socket) -> None:
    spec = launch.spec
    stages = {"forked": time.monotonic()}
    identity.default_signals()
    os.setsid()
    _join_cgroup(launch.cgroup)
    _set_oom_score(launch.process)
    new, join = namespace_plan(spec)
    for flag, path in join:
        if flag != ns.CLONE_NEWPID:
            with step("join namespace", path):
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                ns.setns(fd, flag)
                os.close(fd)
    with step("unshare"):
        ns.unshare(new & ~ns.CLONE_NEWPID)
    stages["namespaces"] = time.monotonic()
    prctl.set_dumpable(False)
    with step("session keyring"):
        _join_keyring(launch.container_id)
    os.umask(0)
    prepared = rootfs.prepare(spec)
    rootfs.enter(spec["root"]["path"])
    rootfs.populate(spec, prepared, launch.cgroup, new)
    console = None
    if launch.stdio is None:
        master, slave, path = _open_console(launch.process)
        rootfs.bind_console(path)
        console = (master, slave)
    _names_and_sysctls(spec)
    rootfs.seal(spec, prepared)
    cwd = launch.process.get("cwd") or "/"
    with step("mkdir", cwd):
        if not os.path.isdir(cwd):
            os.makedirs(os.path.realpath(cwd), 0o755, exist_ok=True)
    stages["rootfs"] = time.monotonic()
    _finish(launch, channel, console, stages)


def _exec(launch: Launch, channel: socket.socket) -> None:
    stages = {"forked": time.monotonic()}
    identity.default_signals()
    os.setsid()
    _join_group_of_init(launch)
    _set_oom_score(launch.process)
    prctl.set_dumpable(False)
    flags = 0
    for entry in (launch.spec.get("linux") or {}).get("namespaces") or ():
        flags |= ns.FLAGS[entry["type"]]
    with step("join namespaces of the container"):
        # The pid namespace was joined by the monitor, for the children it forks.
        ns.setns(launch.init_pidfd, flags & ~ns.CLONE_NEWPID)
    with step("session keyring"):
        _join_keyring(launch.container_id)
    console = None
    if launch.stdio is None:
        master, slave, _ = _open_console(launch.process)
        console = (master, slave)
    stages["namespaces"] = time.monotonic()
    _finish(launch, channel, console, stages)


def _finish(
    launch: Launch, channel: socket.socket, console: tuple[int, int] | None, stages: dict[str, float]
) -> None:
    """Report ready, wait for "go", become the program."""
    process = launch.process
    env = identity.environment(process)
    _connect_streams(launch, console)
    ready = json.dumps({"ready": stages}).encode()
    if console is None:
        channel.send(ready)
    else:
        socket.send_fds(channel, [ready], [console[0]])
        os.close(console[0])
    if channel.recv(16) != GO:
        os._exit(1)  # the monitor is gone, or deletes us
    # From here on a seccomp filter may be in force: as few system calls as can be.
    prctl.close_on_exec_from(3)
    identity.apply_rlimits(process)
    identity.become(process, launch.seccomp)
    path = identity.look_up(process["args"][0], env)
    identity.execute(process, path, env)


def _connect_streams(launch: Launch, console: tuple[int, int] | None) -> None:
    user = launch.process.get("user") or {}
    uid, gid = user.get("uid") or 0, user.get("gid") or 0
    with step("connect standard streams"):
        if console is not None:
            slave = console[1]
            pty.make_controlling(slave)
            os.fchown(slave, uid, -1)
            for fd in (0, 1, 2):
                os.dup2(slave, fd)
            os.close(slave)
            return
        assert launch.stdio is not None
        for fd, source in enumerate((launch.stdio.stdin, launch.stdio.stdout, launch.stdio.stderr)):
            os.dup2(source, fd)
            # Opening /dev/stdout is a fresh open of the pipe, with the user's rights.
            if uid and os.fstat(fd).st_rdev != os.makedev(1, 3):
                os.fchown(fd, uid, gid)


def _open_console(process: dict[str, Any]) -> tuple[int, int, str]:
    with step("open terminal", "/dev/pts/ptmx"):
        master, slave, path = pty.open_pty()
        size = process.get("consoleSize") or {}
        if size.get("height") or size.get("width"):
            pty.set_size(master, size.get("height") or 0, size.get("width") or 0)
        return master, slave, path


def _set_oom_score(process: dict[str, Any]) -> None:
    score = process.get("oomScoreAdj") or 0
    if score == identity.own_oom_score():
        return
    try:
        _write_file("/proc/self/oom_score_adj", str(score))
    except PermissionError:
        pass  # lowering takes CAP_SYS_RESOURCE, which we may lack


def _write_file(path: str, value: str) -> None:
    # not open(): its buffers and codecs cost a child, in copied pages, half a millisecond
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _join_keyring(container_id: str) -> None:
    try:
        prctl.join_session_keyring(f"_ses.{container_id}")
    except (OSError, NotImplementedError):
        pass  # a kernel without keyrings has none to share; a full quota is the host's affair


def _names_and_sysctls(spec: dict[str, Any]) -> None:
    if spec.get("hostname"):
        with step("sethostname", spec["hostname"]):
            ns.sethostname(spec["hostname"])
    if spec.get("domainname"):
        with step("setdomainname", spec["domainname"]):
            ns.setdomainname(spec["domainname"])
    for key, value in ((spec.get("linux") or {}).get("sysctl") or {}).items():
        path = f"/proc/sys/{key.replace('.', '/')}"
        with step("set sysctl", key):
            _write_file(path, value)
