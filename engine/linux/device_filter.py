"""Which devices a version 2 control group may use: an eBPF program attached to it, bpf(2).

The kernel runs the program at each mknod and open of a device node with `struct bpf_cgroup_dev_ctx`
(linux/bpf.h): access and kind in one word, then major and minor number; 0 refuses (EPERM). Rules mean
what they mean to the version 1 controller: first all denials, then all permissions, a permission
must cover the whole of the access asked for.

`assemble` is pure and gives the program's instructions; `attach` loads and attaches them.
"""

from __future__ import annotations

import ctypes
import os
import struct

from engine.linux.libc import check, number, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

BPF_PROG_LOAD, BPF_PROG_ATTACH = 5, 8
BPF_PROG_TYPE_CGROUP_DEVICE = 15
BPF_CGROUP_DEVICE = 6
BPF_F_ALLOW_MULTI = 2  # groups below may attach programs of their own: all must agree

ACCESS = {"m": 1, "r": 2, "w": 4}
KIND = {"b": 1, "c": 2}

_INSN = struct.Struct("=BBhi")  # code, dst register | src register << 4, jump offset, immediate
_LDX_W, _MOV_X, _MOV_K, _AND_K, _RSH_K = 0x61, 0xBC, 0xB7, 0x54, 0x74  # 32-bit arithmetic
_JNE_K, _JNE_X, _JEQ_K, _EXIT = 0x55, 0x5D, 0x15, 0x95
_CONTEXT, _TYPE, _ASKED, _MAJOR, _MINOR, _SCRATCH = (
    1,
    2,
    3,
    4,
    5,
    1,
)  # the context is read before r1 is reused


def _insn(code: int, dst: int = 0, src: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return _INSN.pack(code, dst | src << 4, offset, value)


_PROLOGUE = (
    _insn(_LDX_W, _TYPE, _CONTEXT, 0),
    _insn(_AND_K, _TYPE, value=0xFFFF),
    _insn(_LDX_W, _ASKED, _CONTEXT, 0),
    _insn(_RSH_K, _ASKED, value=16),
    _insn(_LDX_W, _MAJOR, _CONTEXT, 4),
    _insn(_LDX_W, _MINOR, _CONTEXT, 8),
)


def _answer(allow: bool) -> list[bytes]:
    return [_insn(_MOV_K, 0, value=int(allow)), _insn(_EXIT)]


def _everything(rule: dict[str, Any]) -> bool:
    return (rule.get("type") or "a") == "a"


def _rule(rule: dict[str, Any]) -> list[bytes]:
    """Leave with the rule's answer if it matches, fall through if not."""
    allow = bool(rule.get("allow"))
    access = sum(ACCESS[letter] for letter in set(rule.get("access") or "rwm"))
    tests: list[bytes] = [_insn(_JNE_K, _TYPE, value=KIND[rule["type"]])]
    if access != 7:
        tests += [_insn(_MOV_X, _SCRATCH, _ASKED), _insn(_AND_K, _SCRATCH, value=access)]
        # A permission must cover all that is asked for, a denial any of it.
        tests.append(_insn(_JNE_X, _SCRATCH, _ASKED) if allow else _insn(_JEQ_K, _SCRATCH, value=0))
    for register, key in ((_MAJOR, "major"), (_MINOR, "minor")):
        value = rule.get(key)
        if value is not None and value >= 0:
            tests.append(_insn(_JNE_K, register, value=value))
    answer = _answer(allow)
    body = [*tests, *answer]
    for position, insn in enumerate(tests):
        code, registers, _, value = _INSN.unpack(insn)
        if code in (_JNE_K, _JNE_X, _JEQ_K):
            body[position] = _INSN.pack(code, registers, len(body) - position - 1, value)
    return body


def assemble(rules: Iterable[dict[str, Any]]) -> bytes:
    """OCI `linux.resources.devices` → instructions; empty if every device may be used."""
    allowed = [rule for rule in rules if rule.get("allow")]
    denied = [rule for rule in rules if not rule.get("allow")]
    if not denied or any(_everything(rule) for rule in allowed):
        return b""
    program = list(_PROLOGUE)
    for rule in allowed:
        program += _rule(rule)
    if any(_everything(rule) for rule in denied):
        program += _answer(False)
    else:
        for rule in denied:
            program += _rule(rule)
        program += _answer(True)
    return b"".join(program)


def _bpf(command: int, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return check(syscall(number("bpf"), ctypes.c_int(command), buffer, ctypes.c_uint(len(attributes))), "bpf")


def attach(directory: str, program: bytes) -> None:
    """Let the program decide for the group at `directory`. Takes CAP_BPF or CAP_SYS_ADMIN."""
    code = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(b"Apache-2.0")
    loading = struct.pack(
        "=IIQQIIQII16s",  # type, count, instructions, licence, log level, size, buffer, kernel, flags, name
        BPF_PROG_TYPE_CGROUP_DEVICE,
        len(program) // _INSN.size,
        ctypes.addressof(code),
        ctypes.addressof(licence),
        *(0, 0, 0, 0, 0),
        b"dockyard",
    )
    program_fd = _bpf(BPF_PROG_LOAD, loading)
    try:
        group_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _bpf(
                BPF_PROG_ATTACH,
                struct.pack("=IIII", group_fd, program_fd, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI),
            )
        finally:
            os.close(group_fd)
    finally:
        os.close(program_fd)  # the group holds it from now on
