"""A workbench for execution drivers: a busybox root, a spec like the engine's, a container's whole life."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.api.stdcopy import Decoder
from engine.driverapi import registry
from engine.driverapi.execution import Attachment, ExecutionDriver, ExitStatus, IOConfig

BUSYBOX = Path("/bin/busybox")
#: docker's default capabilities: 0x00000000a80425fb.
CAPABILITIES = [
    f"CAP_{name}"
    for name in (
        *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID"),
        *("SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
    )
]
MASKED = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
_numbers = itertools.count(1)


def make_rootfs(path: Path) -> Path:
    """A root directory with busybox and two users."""
    for name in ("bin", "etc", "proc", "tmp", "home/alice"):
        (path / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(BUSYBOX, path / "bin/busybox")
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            (path / "bin" / applet).symlink_to("busybox")
    (path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n")
    (path / "etc/not-executable").write_text("data\n")
    (path / "etc/not-executable").chmod(0o644)
    (path / "tmp").chmod(0o1777)
    return path


def mount(destination: str, type_: str, *options: str, source: str | None = None) -> dict[str, Any]:
    """An OCI mount."""
    return {"destination": destination, "type": type_, "source": source or type_, "options": list(options)}


MOUNTS = [
    mount("/proc", "proc", "nosuid", "noexec", "nodev"),
    mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
    mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
    mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
    mount("/sys/fs/cgroup", "cgroup", "ro", "nosuid", "noexec", "nodev"),
    mount("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
    mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", "size=67108864"),
]


def process(*args: str, **members: Any) -> dict[str, Any]:
    """An OCI process with docker's defaults."""
    return {
        "args": list(args),
        "cwd": "/",
        "env": ["PATH=/bin:/usr/bin"],
        "user": {"uid": 0, "gid": 0},
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES),
        **members,
    }


@dataclass
class Container:
    """A container of the lab: its id, its directories, what it is made of."""

    id: str
    state_dir: Path
    spec: dict[str, Any]
    io: IOConfig
    attachment: Attachment | None = None

    @property
    def log(self) -> bytes:
        """The log file's content."""
        assert self.io.log_path is not None
        return self.io.log_path.read_bytes()


@dataclass
class Outcome:
    """What a finished process has written, stream by stream, and how it ended."""

    status: ExitStatus
    stdout: bytes
    stderr: bytes
    container: Container

    @property
    def text(self) -> str:
        """Standard output, stripped."""
        return self.stdout.decode().strip()


@dataclass
class Lab:
    """Makes containers on one driver, and removes all of them in the end."""

    driver: ExecutionDriver
    root: Path
    rootfs: Path
    containers: list[Container] = field(default_factory=list)

    def spec(
        self,
        container_id: str,
        process_: dict[str, Any],
        *,
        mounts: list[dict[str, Any]] | None = None,
        resources: Mapping[str, Any] | None = None,
        namespaces: tuple[str, ...] = ("mount", "uts", "ipc", "pid", "network", "cgroup"),
        **members: Any,
    ) -> dict[str, Any]:
        """A spec as the engine makes it, without seccomp. members: further ones of the top level."""
        spec: dict[str, Any] = {
            "ociVersion": "1.0.2",
            "hostname": "box",
            "root": {"path": str(self.rootfs)},
            "process": process_,
            "mounts": [*MOUNTS, *(mounts or [])],
            "linux": {
                "cgroupsPath": f"/dockyard-test-{os.getpid()}/{container_id}",
                "resources": dict(resources or {}),
                "namespaces": [{"type": name} for name in namespaces],
                "maskedPaths": MASKED,
                "readonlyPaths": READONLY,
            },
        }
        linux = members.pop("linux", {})
        spec.update(members)
        spec["linux"].update(linux)
        return spec

    async def create(self, *args: str, io: IOConfig | None = None, **options: Any) -> Container:
        """Create a container; options: members of the process under `process`, or of `spec`."""
        container_id = f"{next(_numbers):064x}"
        state_dir = self.root / "state" / container_id
        state_dir.mkdir(parents=True)
        log = state_dir / "log"
        members = dict(options.pop("process", {}))
        made = process(*args, **members)
        io = io or IOConfig()
        io = replace(io, log_path=io.log_path or log)
        container = Container(container_id, state_dir, self.spec(container_id, made, **options), io)
        self.containers.append(container)
        await self.driver.create(container_id, container.spec, io, state_dir)
        return container

    async def start(self, *args: str, **options: Any) -> Container:
        """Create, attach, start."""
        container = await self.create(*args, **options)
        container.attachment = await self.driver.attach(
            container.id, stdin=container.io.stdin, stdout=True, stderr=True
        )
        await self.driver.start(container.id)
        return container

    async def run(self, *args: str, input: bytes | None = None, **options: Any) -> Outcome:
        """A container's whole life but its deletion."""
        if input is not None:
            options.setdefault("io", IOConfig(stdin=True, stdin_once=True))
        container = await self.start(*args, **options)
        assert container.attachment is not None
        if input is not None:
            container.attachment.writer.write(input)
            container.attachment.writer.write_eof()
        stdout, stderr = await self.read(container.attachment, tty=container.io.tty)
        status = await asyncio.wait_for(self.driver.wait(container.id), 30)
        return Outcome(status, stdout, stderr, container)

    async def read(self, attachment: Attachment, *, tty: bool = False) -> tuple[bytes, bytes]:
        """All output of an attachment: (stdout, stderr)."""
        data = await asyncio.wait_for(attachment.reader.read(), 30)
        attachment.close()
        if tty:
            return data, b""
        streams = {1: b"", 2: b"", 3: b""}
        for stream, chunk in Decoder().feed(data):
            streams[stream] += chunk
        return streams[1], streams[2]

    async def exec(
        self, container: Container, *args: str, input: bytes | None = None, **members: Any
    ) -> tuple[int, bytes]:
        """Run a further process: (exit code, output of both streams)."""
        exec_id = f"exec{next(_numbers)}"
        io = IOConfig(stdin=input is not None, stdin_once=True)
        await self.driver.exec(container.id, exec_id, process(*args, **members), io)
        attachment = await self.driver.attach(container.id, exec_id, stdin=io.stdin, stdout=True, stderr=True)
        await self.driver.exec_start(container.id, exec_id)
        if input is not None:
            attachment.writer.write(input)
            attachment.writer.write_eof()
        stdout, stderr = await self.read(attachment)
        status = await asyncio.wait_for(self.driver.wait(container.id, exec_id), 30)
        return status.code, stdout + stderr

    async def close(self) -> None:
        """Delete every container, then let go of the driver."""
        for container in self.containers:
            if container.attachment is not None:
                container.attachment.close()
            await self.driver.delete(container.id)
        await self.driver.close()
        remove_cgroups()


def remove_cgroups() -> None:
    """The parent groups, which drivers leave."""
    for directory in Path("/sys/fs/cgroup").glob(f"**/dockyard-test-{os.getpid()}"):
        directory.rmdir()


async def open_lab(name: str, root: Path) -> Lab:
    """A lab on the driver called `name`."""
    driver: ExecutionDriver = registry.load("execution", name)(root / "exec", {})
    await driver.open()
    return Lab(driver, root, make_rootfs(root / "rootfs"))
