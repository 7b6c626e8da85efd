"""setrlimit(2) by OCI names."""

from __future__ import annotations

import resource

_NAMES = (
    "AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE",
    "NICE", "NOFILE", "NPROC", "RSS", "RTPRIO", "RTTIME", "SIGPENDING", "STACK",
)  # fmt: skip
#: RLIMIT_LOCKS (10) has no name in the resource module.
NUMBERS: dict[str, int] = {
    f"RLIMIT_{name}": getattr(resource, f"RLIMIT_{name}", {"LOCKS": 10, "RTTIME": 15}.get(name, -1))
    for name in _NAMES
}


def clamp(soft: int, hard: int, ceiling: int) -> tuple[int, int]:
    """The nearest limits not above `ceiling` (resource.RLIM_INFINITY is -1 and above all)."""

    def lower(value: int) -> int:
        if ceiling == resource.RLIM_INFINITY:
            return value
        return ceiling if value == resource.RLIM_INFINITY or value > ceiling else value

    hard = lower(hard)
    if hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft > hard):
        soft = hard
    return soft, hard


def set_limit(name: str, soft: int, hard: int) -> None:
    """Set one limit of ourselves; without CAP_SYS_RESOURCE the hard limit we have is the ceiling.

    ValueError for an unknown name.
    """
    number = NUMBERS.get(name, -1)
    if number < 0:
        raise ValueError(f"unknown rlimit {name}")
    soft, hard = (resource.RLIM_INFINITY if v >= 1 << 63 else v for v in (soft, hard))
    try:
        resource.setrlimit(number, (soft, hard))
    except (PermissionError, ValueError):
        resource.setrlimit(number, clamp(soft, hard, resource.getrlimit(number)[1]))
