import pytest

from engine.container import seccomp_profile as sp
from engine.container.defaults import DEFAULT_CAPABILITIES
from engine.errdefs import InvalidParameter


def test_no_call_is_listed_twice() -> None:
    names = " ".join(sp.ALWAYS.values()).split()
    assert len(names) == len(set(names))


def test_conditions_are_decided() -> None:
    here = sp.resolve(sp.default_profile(), DEFAULT_CAPABILITIES, (6, 1), "amd64")
    assert here["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    (clone3,) = [r for r in here["syscalls"] if r["names"] == ["clone3"]]
    assert (clone3["action"], clone3["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)
    assert any("ptrace" in r["names"] for r in here["syscalls"])
    old = sp.resolve(sp.default_profile(), DEFAULT_CAPABILITIES, (4, 7), "s390x")
    assert not any("ptrace" in r["names"] for r in old["syscalls"])
    (clone,) = [r for r in old["syscalls"] if r["names"] == ["clone"]]
    assert clone["args"][0]["index"] == 1


def test_a_profile_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="use only one"):
        sp.resolve({"architectures": ["x"], "archMap": [{}]}, (), (6, 1), "amd64")
    with pytest.raises(InvalidParameter, match="use only one"):
        sp.resolve({"syscalls": [{"name": "a", "names": ["b"]}]}, (), (6, 1), "amd64")


@pytest.mark.parametrize(
    ("release", "expected"), [("6.18.44-fc", (6, 18)), ("4.8", (4, 8)), ("5-rc1", (5, 0))]
)
def test_kernel_releases(release: str, expected: tuple[int, int]) -> None:
    assert sp.kernel_version(release) == expected
