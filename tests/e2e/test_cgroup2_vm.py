"""Containers on a host with cgroup v2 alone, which the kernels of test machines often do not have.

One virtual machine is booted for all checks of cgroup2_checks.sh; each is a test here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.harness.engines import busybox_tar
from tests.harness.vm import Unavailable, run_in_vm

SCRIPT = Path(__file__).with_name("cgroup2_checks.sh")
CHECKS = re.findall(r"^check (\w+) ", SCRIPT.read_text(), re.MULTILINE)
pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the script printed."""
    image = tmp_path_factory.mktemp("vm") / "busybox.tar"
    image.write_bytes(busybox_tar())
    try:
        return run_in_vm(SCRIPT.read_text().replace("@image@", str(image)), timeout=500)
    except Unavailable as exc:
        pytest.skip(str(exc))


@pytest.mark.parametrize("name", CHECKS)
def test_on_cgroup_v2(name: str, printed: str) -> None:
    found = re.search(rf"^CHECK {name} (ok|fail) (.*)$", printed, re.MULTILINE)
    assert found, f"the script ended before this check:\n{printed[-3000:]}"
    assert found[1] == "ok", found[2]
