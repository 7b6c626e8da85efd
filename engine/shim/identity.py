"""The last steps before execve, the same for a container's init and for an exec'd process.

What the process may do (capabilities, no_new_privs, seccomp), who it is, where it stands, and which
file its first argument names.
"""

from __future__ import annotations

import errno
import os
import signal

from engine.linux import capabilities as caps
from engine.linux import prctl, rlimits, seccomp_filter, sigaction, users
from engine.shim.failure import SetupError, step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    Process = dict[str, Any]

_DEFAULT_UMASK = 0o022


def environment(process: Process) -> dict[str, str]:
    """The process's variables; HOME from the container's passwd when it is not given, as docker promises."""
    env: dict[str, str] = {}
    for entry in process.get("env") or ():
        name, found, value = entry.partition("=")
        if found and name:
            env[name] = value
    if not env.get("HOME"):
        uid = (process.get("user") or {}).get("uid") or 0
        env["HOME"] = users.home_of(uid, _passwd())
    return env


def _passwd() -> str:
    try:
        fd = os.open("/etc/passwd", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(fd, 1 << 20).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
    finally:
        os.close(fd)


def apply_rlimits(process: Process) -> None:
    """Resource limits, as far as we may."""
    for limit in process.get("rlimits") or ():
        with step("setting rlimit", limit["type"]):
            try:
                rlimits.set_limit(limit["type"], limit["soft"], limit["hard"])
            except ValueError as exc:
                raise SetupError("setting rlimit", errno.EINVAL, limit["type"], str(exc)) from exc


def become(process: Process, seccomp: bytes | None) -> None:
    """Take on the process's user, capabilities and filter."""
    user = process.get("user") or {}
    uid, gid = user.get("uid") or 0, user.get("gid") or 0
    sets = process.get("capabilities") or {}
    current = _bounding_set
    bounding, effective, permitted, inheritable, ambient = (
        caps.mask(sets.get(name) or [], current)
        for name in ("bounding", "effective", "permitted", "inheritable", "ambient")
    )
    no_new_privs = bool(process.get("noNewPrivileges"))
    if no_new_privs:
        with step("set no_new_privs"):
            prctl.set_no_new_privs()
    elif seccomp:
        # Without no_new_privs loading a filter takes CAP_SYS_ADMIN, which is about to go.
        with step("load seccomp filter"):
            seccomp_filter.load(seccomp)
    with step("drop capabilities"):
        caps.drop_bounding(bounding, current)
        caps.keep_across_setuid(True)
    with step("set user", f"{uid}:{gid}"):
        os.setgroups(user.get("additionalGids") or [])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    umask = user.get("umask")
    os.umask(_DEFAULT_UMASK if umask is None else umask)
    change_directory(process)
    with step("set capabilities"):
        caps.keep_across_setuid(False)
        caps.capset(effective & permitted, permitted, inheritable)
        caps.set_ambient(ambient & permitted & inheritable)
    if no_new_privs and seccomp:
        with step("load seccomp filter"):
            seccomp_filter.load(seccomp)


def change_directory(process: Process) -> None:
    """Go to the process's working directory, and make sure that it lies in the container."""
    cwd = process.get("cwd") or "/"
    with step("chdir", cwd):
        os.chdir(cwd)
        # A directory reached through a descriptor of the host has no path from our root.
        if not os.getcwd().startswith("/"):
            raise FileNotFoundError(errno.ENOENT, "outside of the container", cwd)


def look_up(name: str, env: dict[str, str]) -> str:
    """The file that `name` stands for, searched as execvp does, refused in Go's words (exec.LookPath)."""
    if "/" in name:
        try:
            _executable(name)
        except OSError as exc:
            raise SetupError("lookup", exc.errno or 0, name) from exc
        return name
    for directory in env.get("PATH", "").split(":"):
        candidate = f"{directory or '.'}/{name}"
        try:
            _executable(candidate)
        except OSError:
            continue
        return candidate
    raise SetupError("lookup", errno.ENOENT, name, "executable file not found in $PATH")


def _executable(path: str) -> None:
    mode = os.stat(path).st_mode
    if mode & 0o170000 == 0o040000:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not mode & 0o111 or not os.access(path, os.X_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


_bounding_set = 0
_oom_score = 0


def prepare() -> None:
    """Find out, once in the spawner, what is the same for all containers."""
    global _bounding_set, _oom_score
    _bounding_set = caps.bounding_set()
    with open("/proc/self/oom_score_adj", encoding="ascii") as file:
        _oom_score = int(file.read())


def own_oom_score() -> int:
    """The score that the spawner has, and all its children have until they change it."""
    return _oom_score


def default_signals() -> None:
    """In a child of the monitor: undo what monitor and interpreter have changed, for execve keeps it."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def reset_signals() -> None:
    """In the spawner: default dispositions and an empty mask, whatever our parent ignores."""
    for number in range(1, signal.NSIG):
        try:
            if signal.getsignal(number) not in (signal.SIG_DFL, None):
                signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):
            continue
    sigaction.reset_reserved()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def execute(process: Process, path: str, env: dict[str, str]) -> NoReturn:
    """execve(2)."""
    with step("exec", path):
        os.execve(path, process["args"], env)
    raise AssertionError("execve returned")
