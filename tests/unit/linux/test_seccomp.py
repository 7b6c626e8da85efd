"""The compiled filter, loaded in a child process."""

import json
import subprocess
import sys
from collections.abc import Mapping

import pytest

from engine.container import seccomp_profile
from engine.container.defaults import DEFAULT_CAPABILITIES
from engine.linux import seccomp

# Loads the program given on stdin, then makes the calls of argv: [[number, arg, …], …] → errnos.
CHILD = """
import ctypes, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
program = sys.stdin.buffer.read()
class Fprog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
assert libc.prctl(38, 1, 0, 0, 0) == 0
fprog = Fprog(len(program) // 8, program)
assert libc.prctl(22, 2, ctypes.byref(fprog), 0, 0) == 0, ctypes.get_errno()
result = []
for call in json.loads(sys.argv[1]):
    ctypes.set_errno(0)
    returned = libc.syscall(*[ctypes.c_long(n) for n in call])
    result.append(ctypes.get_errno() if returned == -1 else 0)
print(json.dumps(result))
"""
GETPID, SOCKET, CLONE, PERSONALITY, MOUNT, KEYCTL, CLONE3 = 39, 41, 56, 135, 165, 250, 435
EPERM, ENOSYS = 1, 38

pytestmark = pytest.mark.skipif(seccomp_profile.machine() != "amd64", reason="numbers of x86-64")


def errnos(profile: Mapping[str, object], *calls: tuple[int, ...]) -> list[int]:
    program = seccomp.compile(profile)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CHILD, json.dumps(calls)],
        input=program, capture_output=True, check=True, timeout=30,
    )  # fmt: skip
    return list(json.loads(done.stdout))


def default(*extra: str) -> dict[str, object]:
    caps = [*DEFAULT_CAPABILITIES, *extra]
    return seccomp_profile.resolve(seccomp_profile.default_profile(), caps, (6, 1), "amd64")


def test_the_default_profile_refuses_what_it_does_not_name() -> None:
    calls = ((GETPID,), (MOUNT, 0, 0, 0, 0, 0), (KEYCTL, 0), (CLONE3, 0, 0), (1000,))
    assert errnos(default(), *calls) == [0, EPERM, EPERM, ENOSYS, ENOSYS]


def test_arguments_decide() -> None:
    new_user = 0x10000000
    calls = (
        (SOCKET, 38, 5, 0),
        (SOCKET, 40, 1, 0),
        (SOCKET, 2**32 + 40, 1, 0),
        (SOCKET, 1, 1, 0),
        (SOCKET, 16, 3, 0),
    )
    assert errnos(default(), *calls) == [EPERM, EPERM, EPERM, 0, 0]
    more = ((CLONE, new_user | 17, 0, 0, 0, 0), (PERSONALITY, 0xFFFFFFFF), (PERSONALITY, 0x40000))
    assert errnos(default(), *more) == [EPERM, 0, EPERM]


def test_a_capability_opens_its_calls() -> None:
    assert errnos(default("CAP_SYS_ADMIN"), (MOUNT, 0, 0, 0, 0, 0))[0] not in (EPERM, ENOSYS)


def test_a_deny_list_leaves_the_rest_alone() -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["getppid", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}],
    }
    assert errnos(profile, (110,), (GETPID,), (1000,)) == [13, 0, ENOSYS]


def test_one_profile_is_compiled_once() -> None:
    assert seccomp.compile(default()) is seccomp.compile(default())


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"defaultAction": "SCMP_ACT_DANCE"}, "unknown seccomp action"),
        (
            {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_PDP11"]},
            "unknown seccomp architecture",
        ),
        (
            {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [
                    {
                        "names": ["read"],
                        "action": "SCMP_ACT_ERRNO",
                        "args": [{"index": 0, "value": 1, "op": "?"}],
                    }
                ],
            },
            "unknown seccomp operator",
        ),
    ],
)
def test_a_malformed_profile_says_what_is_wrong(profile: dict[str, object], words: str) -> None:
    with pytest.raises(seccomp.BadProfile, match=words):
        seccomp.compile(profile)
