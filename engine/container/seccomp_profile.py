"""The default seccomp profile, and how a profile becomes the rules of one container.

A profile is a dict in the form that ``--security-opt seccomp=FILE`` takes: ``defaultAction``,
``archMap`` (or ``architectures``) and ``syscalls``, each with ``names``, ``action`` and, where it
holds only sometimes, ``args``, ``includes`` and ``excludes``. `resolve` decides the conditions that
are known before the container runs (its capabilities, the kernel, the architecture) and returns the
OCI runtime spec's ``linux.seccomp``
(https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp).

The default profile is an allow list: what a process may always do is in `ALWAYS`, by theme; what
depends on a capability is in `BY_CAPABILITY`; everything else fails with EPERM. Refused on purpose,
and so absent: keyrings and io_uring (not namespaced, and a long history of escapes), kexec, swap,
userfaultfd, and the multiplexer of the obsolete vm86.
"""

from __future__ import annotations

import errno
import platform
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from engine.errdefs import InvalidParameter

EPERM, ENOSYS = errno.EPERM, errno.ENOSYS
ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"

ALWAYS: Mapping[str, str] = MappingProxyType(
    {
        "files: open, read, write": """
            open openat openat2 creat close close_range read readv pread64 preadv preadv2 write writev
            pwrite64 pwritev pwritev2 lseek _llseek sendfile sendfile64 copy_file_range splice tee
            vmsplice readahead fadvise64 fadvise64_64 fallocate truncate truncate64 ftruncate ftruncate64
            fsync fdatasync sync syncfs sync_file_range cachestat fcntl fcntl64 flock ioctl
            dup dup2 dup3 pipe pipe2 memfd_create""",
        "files: names and attributes": """
            access faccessat faccessat2 stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx
            statfs statfs64 fstatfs fstatfs64 chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32
            fchownat lchown lchown32 utime utimes utimensat utimensat_time64 futimesat umask
            link linkat symlink symlinkat readlink readlinkat rename renameat renameat2 unlink unlinkat
            mkdir mkdirat rmdir mknod mknodat chdir fchdir getcwd getdents getdents64 name_to_handle_at
            getxattr getxattrat fgetxattr lgetxattr setxattr setxattrat fsetxattr lsetxattr listxattr
            listxattrat flistxattr llistxattr removexattr removexattrat fremovexattr lremovexattr""",
        "files: events": """
            poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create epoll_create1
            epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2
            signalfd signalfd4 inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark
            io_setup io_submit io_getevents io_pgetevents io_pgetevents_time64 io_cancel io_destroy""",
        "memory": """
            brk mmap mmap2 munmap mremap mprotect madvise msync mincore mlock mlock2 mlockall munlock
            munlockall remap_file_pages membarrier memfd_secret map_shadow_stack mseal pkey_alloc pkey_free
            pkey_mprotect""",
        "processes and threads": """
            fork vfork execve execveat exit exit_group wait4 waitid waitpid getpid getppid gettid getpgid
            getpgrp setpgid getsid setsid kill tkill tgkill pidfd_open pidfd_send_signal process_mrelease
            prctl set_tid_address set_thread_area get_thread_area set_robust_list get_robust_list rseq
            futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue
            getcpu getrusage times getpriority setpriority ioprio_get ioprio_set getrlimit ugetrlimit
            setrlimit prlimit64 restart_syscall seccomp landlock_create_ruleset landlock_add_rule
            landlock_restrict_self""",
        "scheduling": """
            sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam
            sched_setparam sched_getscheduler sched_setscheduler sched_get_priority_max
            sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64""",
        "signals": """
            rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_tgsigqueueinfo rt_sigreturn
            rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 sigaltstack sigprocmask sigreturn pause
            alarm""",
        "users and groups": """
            getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32
            getresgid getresgid32 getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32
            setregid setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid
            setfsgid32 setgroups setgroups32 capget capset""",
        "time": """
            time gettimeofday nanosleep clock_gettime clock_gettime64 clock_getres clock_getres_time64
            clock_nanosleep clock_nanosleep_time64 clock_adjtime clock_adjtime64 adjtimex getitimer setitimer
            timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
            timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
            timerfd_settime64""",
        "sockets": """
            socketcall socketpair bind connect listen accept accept4 shutdown getsockname getpeername
            getsockopt setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg
            recvmmsg_time64""",
        "System V and POSIX IPC": """
            ipc msgget msgsnd msgrcv msgctl semget semop semctl semtimedop semtimedop_time64 shmget shmat
            shmdt shmctl mq_open mq_unlink mq_notify mq_getsetattr mq_timedsend mq_timedsend_time64
            mq_timedreceive mq_timedreceive_time64""",
        "the system": "uname sysinfo getrandom",
    }
)

BY_CAPABILITY: Mapping[str, str] = MappingProxyType(
    {
        "CAP_BPF": "bpf",
        "CAP_DAC_READ_SEARCH": "open_by_handle_at",
        "CAP_PERFMON": "perf_event_open",
        "CAP_SYS_ADMIN": """
            bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick listmount lookup_dcookie mount
            mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname
            sethostname setns statmount syslog umount umount2 unshare""",
        "CAP_SYS_BOOT": "reboot",
        "CAP_SYS_CHROOT": "chroot",
        "CAP_SYS_MODULE": "delete_module finit_module init_module",
        "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
        "CAP_SYS_PACCT": "acct",
        "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
        "CAP_SYS_RAWIO": "ioperm iopl",
        "CAP_SYS_TIME": "clock_settime clock_settime64 settimeofday stime",
        "CAP_SYS_TTY_CONFIG": "vhangup",
        "CAP_SYSLOG": "syslog",
    }
)

# Names of architectures as profiles write them in includes/excludes.
BY_ARCHITECTURE: Mapping[tuple[str, ...], str] = MappingProxyType(
    {
        ("amd64", "x32"): "arch_prctl",
        ("amd64", "x32", "x86"): "modify_ldt",
        ("arm", "arm64"): """
            arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2""",
        ("ppc64le",): "swapcontext sync_file_range2",
        ("riscv64",): "riscv_flush_icache riscv_hwprobe",
        ("s390", "s390x"): "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr",
    }
)

# personality(2): PER_LINUX, PER_LINUX32, UNAME26 with each, and 0xffffffff, which only asks.
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)

# CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET: clone(2) without any of them.
_CLONE_NAMESPACES = 0x7E020000

# A container gets no socket of AF_ALG (38: kernel crypto, many holes) and AF_VSOCK (40: reaches the
# hypervisor past every network namespace). The filter compares 64 bits where the kernel looks at 32,
# so the families above are named one by one up to AF_MCTP: "greater than 40" would let 2**32 + 40 pass.
_AF_ALG = 38
_FAMILIES_ABOVE = (39, 41, 42, 43, 44, 45)

_ARCH_MAP = (
    ("SCMP_ARCH_X86_64", ("SCMP_ARCH_X86", "SCMP_ARCH_X32")),
    ("SCMP_ARCH_AARCH64", ("SCMP_ARCH_ARM",)),
    ("SCMP_ARCH_PPC64LE", ()),
    ("SCMP_ARCH_RISCV64", ()),
    ("SCMP_ARCH_S390X", ("SCMP_ARCH_S390",)),
)

# uname -m → (the name profiles use, libseccomp's name)
_MACHINES = {
    "x86_64": ("amd64", "SCMP_ARCH_X86_64"),
    "aarch64": ("arm64", "SCMP_ARCH_AARCH64"),
    "armv7l": ("arm", "SCMP_ARCH_ARM"),
    "i686": ("x86", "SCMP_ARCH_X86"),
    "ppc64le": ("ppc64le", "SCMP_ARCH_PPC64LE"),
    "riscv64": ("riscv64", "SCMP_ARCH_RISCV64"),
    "s390x": ("s390x", "SCMP_ARCH_S390X"),
}


def _rule(names: str, **extra: Any) -> dict[str, Any]:
    return {"names": names.split(), "action": ALLOW} | extra


def _condition(index: int, op: str, value: int, second: int = 0) -> dict[str, Any]:
    argument: dict[str, Any] = {"index": index, "value": value, "op": f"SCMP_CMP_{op}"}
    return argument | ({"valueTwo": second} if second else {})


def _conditional() -> list[dict[str, Any]]:
    """Calls that are allowed with some arguments only."""
    admin = {"caps": ["CAP_SYS_ADMIN"]}
    s390 = ["s390", "s390x"]
    rules = [_rule("personality", args=[_condition(0, "EQ", value)]) for value in _PERSONALITIES]
    rules += [
        _rule("socket", args=[_condition(0, "LT", _AF_ALG)]),
        *(_rule("socket", args=[_condition(0, "EQ", family)]) for family in _FAMILIES_ABOVE),
        _rule("clone", args=[_condition(0, "MASKED_EQ", _CLONE_NAMESPACES)],
              excludes=admin | {"arches": s390}),
        # s390's clone takes the stack first, the flags second.
        _rule("clone", args=[_condition(1, "MASKED_EQ", _CLONE_NAMESPACES)],
              includes={"arches": s390}, excludes=admin),
        # clone3's flags lie behind a pointer, which no filter can follow; ENOSYS makes libcs use clone.
        _rule("clone3", excludes=admin) | {"action": ERRNO, "errnoRet": ENOSYS},
        # Before 4.8 ptrace could step around a filter (https://man7.org/linux/man-pages/man2/seccomp.2.html).
        _rule("process_vm_readv process_vm_writev ptrace", includes={"minKernel": "4.8"}),
    ]  # fmt: skip
    return rules


@lru_cache(maxsize=1)
def default_profile() -> Mapping[str, Any]:
    """The profile of containers that ask for none. Do not change the result: it is shared."""
    syscalls = [_rule(" ".join(ALWAYS.values())), *_conditional()]
    syscalls += [_rule(names, includes={"arches": list(a)}) for a, names in BY_ARCHITECTURE.items()]
    syscalls += [_rule(names, includes={"caps": [cap]}) for cap, names in BY_CAPABILITY.items()]
    archs = [{"architecture": main, "subArchitectures": list(subs)} for main, subs in _ARCH_MAP]
    return {"defaultAction": ERRNO, "defaultErrnoRet": EPERM, "archMap": archs, "syscalls": syscalls}


def machine() -> str:
    """This host's architecture as profiles name it (amd64, arm64, …)."""
    return _MACHINES.get(platform.machine(), (platform.machine(), ""))[0]


def kernel_version(release: str | None = None) -> tuple[int, int]:
    """``uname -r`` as (major, minor): "6.18.44-fc" → (6, 18)."""
    numbers = re.findall(r"\d+", (release or platform.release()).partition("-")[0])
    return int(numbers[0]) if numbers else 0, int(numbers[1]) if len(numbers) > 1 else 0


def resolve(
    profile: Mapping[str, Any], caps: Collection[str], kernel: tuple[int, int], arch: str
) -> dict[str, Any]:
    """The rules of `profile` that hold here, as the OCI spec's ``linux.seccomp``.

    caps: the container's bounding set ("CAP_…"). kernel: `kernel_version()`. arch: `machine()`.
    Raises InvalidParameter for a profile that contradicts itself.
    """
    if profile.get("architectures") and profile.get("archMap"):
        raise InvalidParameter(
            "'architectures' and 'archMap' were specified in the seccomp profile, use only one of them"
        )
    result: dict[str, Any] = {"defaultAction": profile.get("defaultAction", ALLOW)}
    if profile.get("defaultErrnoRet") is not None:
        result["defaultErrnoRet"] = profile["defaultErrnoRet"]
    architectures = list(profile.get("architectures") or _architectures(profile.get("archMap") or (), arch))
    if architectures:
        result["architectures"] = architectures
    if profile.get("flags"):
        result["flags"] = list(profile["flags"])
    result["syscalls"] = [
        _resolved(rule) for rule in profile.get("syscalls") or () if _holds(rule, caps, kernel, arch)
    ]
    return result


@lru_cache(maxsize=16)
def resolve_default(caps: tuple[str, ...], kernel: tuple[int, int], arch: str) -> dict[str, Any]:
    """`resolve` of the default profile, the same object for the same arguments. Do not change it."""
    return resolve(default_profile(), caps, kernel, arch)


def _architectures(arch_map: Collection[Mapping[str, Any]], arch: str) -> list[str]:
    name = next((scmp for go, scmp in _MACHINES.values() if go == arch), None)
    for entry in arch_map:
        if entry.get("architecture") == name:
            return [name, *(entry.get("subArchitectures") or ())] if name else []
    return []


def _holds(rule: Mapping[str, Any], caps: Collection[str], kernel: tuple[int, int], arch: str) -> bool:
    excludes, includes = rule.get("excludes") or {}, rule.get("includes") or {}
    if arch in (excludes.get("arches") or ()) or any(c in caps for c in excludes.get("caps") or ()):
        return False
    if excludes.get("minKernel") and kernel >= kernel_version(excludes["minKernel"]):
        return False
    if includes.get("arches") and arch not in includes["arches"]:
        return False
    if not all(c in caps for c in includes.get("caps") or ()):
        return False
    return not includes.get("minKernel") or kernel >= kernel_version(includes["minKernel"])


def _resolved(rule: Mapping[str, Any]) -> dict[str, Any]:
    if rule.get("name") and rule.get("names"):
        raise InvalidParameter(
            "'name' and 'names' were specified in the seccomp profile, use only one of them"
        )
    names = [rule["name"]] if rule.get("name") else list(rule.get("names") or ())
    result: dict[str, Any] = {"names": names, "action": rule.get("action", ALLOW)}
    for key in ("errnoRet", "args"):
        if rule.get(key) not in (None, []):
            result[key] = rule[key]
    return result
