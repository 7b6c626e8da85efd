"""Options, sets and limits that are computed before the kernel is asked."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from engine.linux import capabilities, mount, openat2, rlimits, users
from engine.linux.libc import KernelError
from engine.linux.mount_options import MountOptions


def test_mount_options_are_sorted_into_kinds() -> None:
    options = MountOptions(["rbind", "ro", "nosuid", "rslave", "size=64k", "mode=755", "rro"])
    assert options.flags == mount.MS_BIND | mount.MS_REC | mount.MS_RDONLY | mount.MS_NOSUID
    assert options.propagation == [mount.MS_SLAVE | mount.MS_REC]
    assert options.data == "size=64k,mode=755"
    assert options.recursive_set == mount.MOUNT_ATTR_RDONLY


def test_the_later_of_two_contradicting_options_wins() -> None:
    assert MountOptions(["ro", "rw"]).attributes() == (0, mount.MOUNT_ATTR_RDONLY)
    assert MountOptions(["rw", "ro"]).attributes() == (mount.MOUNT_ATTR_RDONLY, 0)


def test_access_time_modes_clear_the_field_they_set() -> None:
    assert MountOptions(["noatime"]).attributes() == (mount.MOUNT_ATTR_NOATIME, mount.MOUNT_ATTR__ATIME)
    assert MountOptions(["relatime"]).attributes() == (0, mount.MOUNT_ATTR__ATIME)


def test_capabilities_have_the_kernels_numbers() -> None:
    assert capabilities.NUMBERS["CAP_CHOWN"] == 0
    assert capabilities.NUMBERS["CAP_SYS_ADMIN"] == 21
    assert capabilities.NUMBERS["CAP_CHECKPOINT_RESTORE"] == 40


def test_a_capability_mask_keeps_what_is_allowed_and_known() -> None:
    names = ["CAP_CHOWN", "CAP_KILL", "CAP_OF_THE_FUTURE"]
    assert capabilities.mask(names, (1 << 41) - 1) == 0b100001
    assert capabilities.mask(names, 1) == 1


@pytest.mark.parametrize(
    ("asked", "ceiling", "given"),
    [
        ((10, 20), 100, (10, 20)),
        ((10, 200), 100, (10, 100)),
        ((150, 200), 100, (100, 100)),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), 100, (100, 100)),
        ((10, resource.RLIM_INFINITY), resource.RLIM_INFINITY, (10, resource.RLIM_INFINITY)),
    ],
)
def test_limits_are_clamped(asked: tuple[int, int], ceiling: int, given: tuple[int, int]) -> None:
    assert rlimits.clamp(*asked, ceiling) == given


def test_every_limit_name_has_a_number() -> None:
    assert sorted(rlimits.NUMBERS.values()) == list(range(16))
    with pytest.raises(ValueError, match="unknown rlimit RLIMIT_X"):
        rlimits.set_limit("RLIMIT_X", 1, 1)


def test_home_directories() -> None:
    passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nnone:x:5:5:::\n"
    assert [users.home_of(uid, passwd) for uid in (0, 5, 7)] == ["/root", "/", "/"]


def test_resolution_stays_in_the_root(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("inside")
    (tmp_path / "link").symlink_to("/etc/passwd")
    root = os.open(tmp_path, os.O_PATH)
    try:
        for path in ("/etc/passwd", "../../etc/passwd", "link"):
            with os.fdopen(openat2.openat2(root, path, os.O_RDONLY)) as file:
                assert file.read() == "inside"
        with pytest.raises(KernelError) as caught:
            openat2.openat2(root, "absent", os.O_RDONLY)
        assert (caught.value.operation, caught.value.filename) == ("openat2", "absent")
    finally:
        os.close(root)


def test_the_shim_starts_without_heavy_modules() -> None:
    """Each would cost every monitor memory, and the spawner start-up time."""
    repository = Path(__file__).parents[3]
    script = (
        f"import sys; sys.path.insert(0, {str(repository)!r}); import engine.shim.monitor;"
        " print(*sorted(sys.modules))"
    )
    command = [sys.executable, "-I", "-S", "-c", script]
    modules = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert not modules & {
        *("asyncio", "typing", "logging", "pathlib", "dataclasses", "inspect", "subprocess", "threading"),
        *("contextlib", "traceback", "tempfile", "shutil", "argparse", "aiohttp", "msgspec"),
    }
