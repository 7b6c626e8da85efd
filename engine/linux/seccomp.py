"""seccomp(2): an OCI ``linux.seccomp`` object compiled to the BPF program that the kernel loads.

The compiler is libseccomp, bound on first use only, so that a process that never filters does not
pay for it. A filter depends on the profile alone and is kept, so all containers of one profile
share one compilation (some 10 ms) and hand over ready bytes.

In front of libseccomp's program goes a prelude of ours. A profile with an allow list answers EPERM
to a system call that is younger than the profile, and C libraries take EPERM for a final answer
where ENOSYS would make them use the older call. So a number beyond the highest that the profile
names gives ENOSYS.
"""

from __future__ import annotations

import errno
import json
import os
import struct
from collections.abc import Mapping
from threading import Lock
from typing import Any

# <linux/bpf_common.h>, <linux/filter.h>: one instruction is u16 code, u8 jt, u8 jf, u32 k.
BPF_LD_W_ABS = 0x20
BPF_JEQ_K = 0x15
BPF_JGT_K = 0x25
BPF_JGE_K = 0x35
BPF_RET_K = 0x06
# <linux/seccomp.h>: struct seccomp_data { int nr; __u32 arch; … }
OFFSET_NR = 0
OFFSET_ARCH = 4
SECCOMP_RET_ERRNO = 0x00050000
# <asm/unistd.h>: x32 shares x86-64's audit arch, and is told apart by this bit of the number.
X32_SYSCALL_BIT = 0x40000000

_ACTIONS = {
    "SCMP_ACT_KILL": "KILL",
    "SCMP_ACT_KILL_THREAD": "KILL_THREAD",
    "SCMP_ACT_KILL_PROCESS": "KILL_PROCESS",
    "SCMP_ACT_TRAP": "TRAP",
    "SCMP_ACT_LOG": "LOG",
    "SCMP_ACT_ALLOW": "ALLOW",
}
_OPERATORS = {
    "SCMP_CMP_NE": "NE",
    "SCMP_CMP_LT": "LT",
    "SCMP_CMP_LE": "LE",
    "SCMP_CMP_EQ": "EQ",
    "SCMP_CMP_GE": "GE",
    "SCMP_CMP_GT": "GT",
    "SCMP_CMP_MASKED_EQ": "MASKED_EQ",
}
# libseccomp's pseudo number of a name it does not know; less than it: known, but not on that arch.
_UNKNOWN = -1


class Unavailable(Exception):
    """libseccomp or its Python binding is not installed."""


class BadProfile(ValueError):
    """The profile names something that libseccomp does not know, or contradicts itself."""


_lock = Lock()
_compiled: dict[str, bytes] = {}


def compile(profile: Mapping[str, Any]) -> bytes:
    """The BPF program of an OCI ``linux.seccomp`` object, as an array of ``struct sock_filter``.

    Raises Unavailable without libseccomp, BadProfile for a profile that it refuses. Names of
    system calls that libseccomp does not know are skipped, as the OCI spec allows.
    """
    key = json.dumps(profile, sort_keys=True)
    with _lock:
        program = _compiled.get(key)
        if program is None:
            program = _compiled[key] = _compile(profile)
        return program


def _library() -> Any:
    try:
        import pyseccomp
    except (ImportError, RuntimeError, OSError) as exc:
        raise Unavailable(
            "seccomp profiles need libseccomp: install the package libseccomp2 and the Python module "
            "pyseccomp, or run the container with --security-opt seccomp=unconfined"
        ) from exc
    return pyseccomp


def _compile(profile: Mapping[str, Any]) -> bytes:
    lib = _library()
    default = _action(lib, profile.get("defaultAction", ""), profile.get("defaultErrnoRet"))
    native = lib.system_arch()
    arches = _arches(lib, profile.get("architectures") or (), native)
    try:
        program = lib.SyscallFilter(default)
        for arch in arches:
            if arch != native:
                program.add_arch(arch)
        # A binary tree of system calls in place of a list: 3 times less for the last of 400.
        program.set_attr(lib.Attr.CTL_OPTIMIZE, 2)
        for rule in profile.get("syscalls") or ():
            _add(lib, program, rule, default)
        body = _export(program)
    except OSError as exc:
        raise BadProfile(f"libseccomp refuses the seccomp profile: {exc.strerror}") from exc
    if default & 0xFFFF0000 != SECCOMP_RET_ERRNO:
        return body
    return _prelude(lib, profile, arches) + body


def _action(lib: Any, name: str, errno_ret: int | None) -> int:
    if name == "SCMP_ACT_ERRNO":
        return int(lib.ERRNO(errno.EPERM if errno_ret is None else errno_ret))
    if name == "SCMP_ACT_TRACE":
        return int(lib.TRACE(errno.EPERM if errno_ret is None else errno_ret))
    if name not in _ACTIONS:
        known = ", ".join([*_ACTIONS, "SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"])
        raise BadProfile(f"unknown seccomp action {name!r} (known: {known})")
    return int(getattr(lib, _ACTIONS[name]))


def _arches(lib: Any, names: Any, native: int) -> list[int]:
    """Tokens of the architectures that the filter covers; the native one always."""
    arches = [native]
    for name in names:
        token = getattr(lib.Arch, name.removeprefix("SCMP_ARCH_"), None)
        if token is None:
            raise BadProfile(f"unknown seccomp architecture {name!r}")
        if token not in arches:
            arches.append(token)
    return arches


def _add(lib: Any, program: Any, rule: Mapping[str, Any], default: int) -> None:
    action = _action(lib, rule.get("action", ""), rule.get("errnoRet"))
    if action == default:
        return  # libseccomp calls a rule that changes nothing an error
    conditions = [_condition(lib, arg) for arg in rule.get("args") or ()]
    indexes = [arg["index"] for arg in rule.get("args") or ()]
    # Conditions on different arguments must all hold; several on one argument are alternatives,
    # which libseccomp wants as rules of their own.
    groups = [conditions] if len(set(indexes)) == len(indexes) else [[c] for c in conditions]
    for name in rule.get("names") or ():
        number = lib.resolve_syscall(lib.Arch.NATIVE, name)
        if number == _UNKNOWN:
            continue
        for group in groups:
            program.add_rule(action, number, *group)


def _condition(lib: Any, arg: Mapping[str, Any]) -> Any:
    op = arg.get("op", "")
    if op not in _OPERATORS:
        raise BadProfile(f"unknown seccomp operator {op!r} (known: {', '.join(_OPERATORS)})")
    return lib.Arg(arg["index"], getattr(lib, _OPERATORS[op]), arg["value"], arg.get("valueTwo", 0))


def _export(program: Any) -> bytes:
    fd = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        program.export_bpf(file)
        file.seek(0)
        return file.read()


def _prelude(lib: Any, profile: Mapping[str, Any], arches: list[int]) -> bytes:
    """Instructions that answer ENOSYS to numbers beyond those the profile names; one block an arch."""
    names = {name for rule in profile.get("syscalls") or () for name in rule.get("names") or ()}
    highest = {arch: max((lib.resolve_syscall(arch, n) for n in names), default=-1) for arch in arches}
    x32 = highest.pop(lib.Arch.X32, X32_SYSCALL_BIT) | X32_SYSCALL_BIT
    program = b""
    for arch, last in highest.items():
        if last >= 0:
            program += _block_x32(arch, last, x32) if arch == lib.Arch.X86_64 else _block(arch, last)
    return program


def _block(arch: int, last: int) -> bytes:
    return b"".join(
        (
            _instruction(BPF_LD_W_ABS, 0, 0, OFFSET_ARCH),
            _instruction(BPF_JEQ_K, 0, 3, arch),
            _instruction(BPF_LD_W_ABS, 0, 0, OFFSET_NR),
            _instruction(BPF_JGT_K, 0, 1, last),
            _instruction(BPF_RET_K, 0, 0, SECCOMP_RET_ERRNO | errno.ENOSYS),
        )
    )


def _block_x32(arch: int, last: int, last_x32: int) -> bytes:
    """As `_block`, with a second limit for numbers that bear x32's bit."""
    return b"".join(
        (
            _instruction(BPF_LD_W_ABS, 0, 0, OFFSET_ARCH),
            _instruction(BPF_JEQ_K, 0, 5, arch),
            _instruction(BPF_LD_W_ABS, 0, 0, OFFSET_NR),
            _instruction(BPF_JGE_K, 1, 0, X32_SYSCALL_BIT),
            _instruction(BPF_JGT_K, 1, 2, last),
            _instruction(BPF_JGT_K, 0, 1, last_x32),
            _instruction(BPF_RET_K, 0, 0, SECCOMP_RET_ERRNO | errno.ENOSYS),
        )
    )


def _instruction(code: int, jt: int, jf: int, k: int) -> bytes:
    return struct.pack("=HBBI", code, jt, jf, k)
