"""The original to compare with: Debian's dockerd on a host of its own, never at its default paths."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.cluster.lab import Host, alive, end
from tests.harness.engines import Docker, busybox_tar, remove_cgroups

DOCKERD = shutil.which("dockerd")
needs_dockerd = pytest.mark.skipif(DOCKERD is None, reason="dockerd is not installed (Debian's docker.io)")


@contextmanager
def running_dockerd(
    directory: Path, *options: str, host: Host | None = None, image: bool = True
) -> Iterator[Docker]:
    """A dockerd with the image busybox; at the end it and all it made are gone."""
    own = host is None
    host = host or Host.boot("original")
    directory.mkdir(parents=True, exist_ok=True)
    parent = f"/dockyard-original-{host.pid}"
    log = directory / "log"
    command = [
        "dockerd", f"--data-root={directory}/data", f"--exec-root={directory}/exec",
        f"--pidfile={directory}/pid", f"--host=unix://{directory}/docker.sock",
        f"--cgroup-parent={parent}", *options,
    ]  # fmt: skip
    pid = host.spawn(command, log)
    docker = Docker(f"unix://{directory}/docker.sock")
    try:
        deadline = time.monotonic() + 60
        while docker.try_("version").returncode:
            assert alive(pid), log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.2)
        if image:
            docker("import", "-", "busybox", input=busybox_tar())
        yield docker
        ids = docker.try_("ps", "-aq").stdout.split()
        if ids:
            docker.try_("rm", "-f", "-v", *ids)
    finally:
        end(pid, grace=20)
        if own:
            host.shut_down()
        remove_cgroups(parent)
        shutil.rmtree(directory, ignore_errors=True)
