"""Engines for tests, each on a host of its own, and the real docker CLI to talk to them.

A test asks for the fixture `engine` (a fresh one) or `shared_engine` (one a module, faster: clean up
what you make). Both have the image `busybox` in them.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from examples.cluster.lab import EngineProcess, Host

PYDOCKER = Path(sys.executable).parent / "pydocker"
BUSYBOX = Path("/bin/busybox")
ACCOUNTS = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n"
    ),
    "etc/group": "root:x:0:\nnogroup:x:65534:\nweb:x:1000:\nextra:x:2000:web\n",
}


def busybox_tar() -> bytes:
    """A root file system of busybox and its applets, as `docker import` takes it."""
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for directory in ("bin", "etc", "tmp", "root", "var", "usr"):
            info = tarfile.TarInfo(directory)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777 if directory == "tmp" else 0o755
            tar.addfile(info)
        tar.add(BUSYBOX, "bin/busybox")
        for applet in applets:
            if applet != "busybox":
                info = tarfile.TarInfo(f"bin/{applet}")
                info.type, info.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(info)
        for name, text in ACCOUNTS.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text), 0o644
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


class Docker:
    """The real docker CLI against one endpoint."""

    def __init__(
        self, host: str, *options: str, config: Path | None = None, enter: Host | None = None
    ) -> None:
        self.host = host
        self._enter = enter
        self._options = options
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(config or "/nonexistent"),
            "DOCKER_CONFIG": str(config or "/nonexistent"),
            "DOCKER_BUILDKIT": "0",
        }

    def command(self, *args: str) -> list[str]:
        """The command line, for those who run it themselves."""
        command = ["docker", *self._options, "-H", self.host, *args]
        return self._enter.enter(*command) if self._enter else command

    def try_(
        self, *args: str, input: bytes | str | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command whatever its exit code is."""
        data = input.encode() if isinstance(input, str) else input
        stdin: dict[str, Any] = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
        done = subprocess.run(
            self.command(*args), capture_output=True, env=self._env, timeout=timeout, check=False, **stdin
        )
        return subprocess.CompletedProcess(
            done.args,
            done.returncode,
            done.stdout.decode("utf-8", "replace"),
            done.stderr.decode("utf-8", "replace"),
        )

    def __call__(self, *args: str, input: bytes | str | None = None, timeout: float = 60) -> str:
        """Run a command that must succeed; its standard output without the last newline."""
        done = self.try_(*args, input=input, timeout=timeout)
        assert done.returncode == 0, (
            f"docker {' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout.removesuffix("\n")

    def popen(self, *args: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command and go on."""
        return subprocess.Popen(self.command(*args), env=self._env, **options)

    def inspect(self, name: str, *options: str) -> Any:
        """The first object of `docker inspect`."""
        return json.loads(self("inspect", *options, name))[0]


class TestEngine(EngineProcess):
    """An engine with its CLI. `engine.docker("ps")`."""

    __test__ = False

    @property
    def docker(self) -> Docker:
        """The CLI on the unix socket."""
        return Docker(self.socket)

    def restart(self) -> None:
        """Stop and start the daemon."""
        self.stop()
        self.start()


@contextmanager
def running_engine(
    directory: Path, name: str = "host", *options: str, image: bool = True
) -> Iterator[TestEngine]:
    """An engine on a host of its own; at the end its containers, daemon, host and data are gone."""
    host = Host.boot(name)
    engine = TestEngine(host, directory, PYDOCKER, options)
    try:
        engine.start()
        if image:
            engine.docker("import", "-", "busybox", input=busybox_tar())
        yield engine
    finally:
        dismantle(engine)


def dismantle(engine: TestEngine) -> None:
    """Remove containers, stop the daemon, end the host, delete the data and the cgroups."""
    from examples.cluster.lab import alive

    try:
        if not alive(engine.pid):
            engine.start()
        ids = engine.docker.try_("ps", "-aq").stdout.split()
        if ids:
            engine.docker.try_("rm", "-f", "-v", *ids)
    finally:
        engine.stop()
        engine.host.shut_down()
        shutil.rmtree(engine.directory, ignore_errors=True)
        remove_cgroups(engine.cgroup_parent)


def remove_cgroups(parent: str) -> None:
    """Delete the empty cgroup an engine made for its containers, in every hierarchy."""
    for root in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*")):
        for directory in (root / parent.strip("/"),):
            try:
                directory.rmdir()
            except OSError:
                pass
