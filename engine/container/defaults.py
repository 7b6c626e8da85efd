"""What a container gets when it asks for nothing: docker's defaults, which images rely on."""

from __future__ import annotations

from typing import Any

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# In the order that dockerd lists them.
DEFAULT_CAPABILITIES = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
    "CAP_AUDIT_WRITE",
)  # fmt: skip

# <linux/capability.h>; the position is the capability's number.
ALL_CAPABILITIES = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
    "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT",
    "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE",
    "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
    "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)  # fmt: skip

# Tell about the host, or let a container reach other's keys; nothing in a container needs them.
MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)

READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

DEFAULT_SHM_SIZE = 64 * 1024 * 1024

_NO_PROGRAMS = ["nosuid", "noexec", "nodev"]


def default_mounts(*, shm_size: int, writable_sys: bool) -> list[dict[str, Any]]:
    """The file systems every container has, in mount order (OCI spec `mounts`)."""
    mode = "rw" if writable_sys else "ro"
    return [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": [*_NO_PROGRAMS]},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
         "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*_NO_PROGRAMS, mode]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
         "options": [mode, *_NO_PROGRAMS]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": [*_NO_PROGRAMS]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
         "options": [*_NO_PROGRAMS, "mode=1777", f"size={shm_size}"]},
    ]  # fmt: skip


def _device(allow: bool, kind: str, major: int, minor: int, access: str = "rwm") -> dict[str, Any]:
    return {"allow": allow, "type": kind, "major": major, "minor": minor, "access": access}


# The devices cgroup's list, most general first; -1 is any number. Making nodes is allowed, as
# opening them is what counts.
DEVICE_RULES: tuple[dict[str, Any], ...] = (
    {"allow": False, "access": "rwm"},
    _device(True, "c", -1, -1, "m"),
    _device(True, "b", -1, -1, "m"),
    _device(True, "c", 1, 3),  # /dev/null
    _device(True, "c", 1, 5),  # /dev/zero
    _device(True, "c", 1, 7),  # /dev/full
    _device(True, "c", 1, 8),  # /dev/random
    _device(True, "c", 1, 9),  # /dev/urandom
    _device(True, "c", 5, 0),  # /dev/tty
    _device(True, "c", 5, 1),  # /dev/console
    _device(True, "c", 5, 2),  # /dev/ptmx
    _device(True, "c", 136, -1),  # /dev/pts/*
    _device(False, "c", 10, 229),  # /dev/fuse
)

# Where no root is needed for what the network namespace isolates anyway.
DEFAULT_NET_SYSCTLS = {
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ping_group_range": "0 2147483647",
}
