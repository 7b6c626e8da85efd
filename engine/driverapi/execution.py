"""Contract of an execution driver: it turns an OCI runtime spec into a running container.

Vocabulary
    spec      an OCI runtime spec (config.json) as a dict; `root.path` is mounted already, a network
              namespace is given by path or left to the host.
    init      the container's first process.
    exec id   a further process in a running container.
    status    how a process ended: exit code, or 128 + signal.

Lifecycle of a container::

    create(id, …) ──> [attach(id)] ──> start(id) ──> … ──> wait(id) ──> delete(id)
      namespaces made, init waits      init has exec'd the program

`create` and `start` raise errdefs.StartFailure (with the exit code docker records) if the program
cannot be run, and leave nothing behind but what `delete` removes. Containers outlive the driver
and the daemon: a new driver finds one again with `restore`. Everything is async; nothing blocks
the event loop.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class IOConfig:
    """What the process's standard streams are connected to.

    tty: one pseudo-terminal for all three, else three pipes.
    stdin: keep a standard input that attachments write to; else it is /dev/null.
    stdin_once: close it when the first attachment that sent input ends.
    log_path: json-file log to write, None for no log.
    log_max_size: bytes at which the log is rotated, 0 for never; log_max_file: how many are kept.
    log_attrs: the json-file "attrs" member, kept as given.
    """

    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    log_path: Path | None = None
    log_max_size: int = 0
    log_max_file: int = 1
    log_attrs: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a process ended. at: seconds since the epoch, UTC."""

    code: int
    at: float
    oom_killed: bool = False


@dataclass(frozen=True, slots=True)
class TaskState:
    """What the driver knows of a container. status: created, running, paused, stopped."""

    status: str
    pid: int = 0
    exit: ExitStatus | None = None


class Attachment(Protocol):
    """A two-way connection to a process's streams.

    `reader` yields stdcopy frames (engine.api.stdcopy) without a tty and raw bytes with one, then
    end of file when the process's output is over. What is written to `writer` goes to standard
    input; `writer.write_eof()` is the end of standard input. Closing detaches; the process runs on.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def close(self) -> None:
        """Detach."""
        ...


class ExecutionDriver(Protocol):
    """One runtime. Constructed as ``Driver(exec_root: Path, options: Mapping[str, str])``."""

    name: str

    async def open(self) -> None:
        """Start what the driver needs beside the daemon (the spawner)."""
        ...

    async def close(self) -> None:
        """Let go of it. Containers run on."""
        ...

    async def create(self, container_id: str, spec: dict[str, Any], io: IOConfig, state_dir: Path) -> int:
        """Make the container up to the point where init waits for `start`; returns init's pid.

        state_dir: a directory that survives a reboot; the exit status is recorded there, atomically,
        before anyone is told of it.
        """
        ...

    async def start(self, container_id: str) -> None:
        """Let init exec the program. Returns when exec has succeeded."""
        ...

    async def restore(self, container_id: str, state_dir: Path) -> TaskState | None:
        """Find a container of an earlier daemon again; None if nobody knows of it any more."""
        ...

    async def wait(self, container_id: str, exec_id: str | None = None) -> ExitStatus:
        """Block until the process has ended."""
        ...

    async def kill(self, container_id: str, signal: int, exec_id: str | None = None) -> None:
        """Send a signal to the process. NotFound if it has ended."""
        ...

    async def pause(self, container_id: str) -> None:
        """Freeze the container's cgroup."""
        ...

    async def resume(self, container_id: str) -> None:
        """Thaw it."""
        ...

    async def delete(self, container_id: str) -> None:
        """Forget an ended container: its cgroup, its monitor, its bundle. Kills what still runs."""
        ...

    async def exec(self, container_id: str, exec_id: str, process: dict[str, Any], io: IOConfig) -> int:
        """Start a process (OCI `process` object) in a running container, held until `exec_start`.

        Returns once the process waits; its pid is known then, so attachments miss nothing.
        """
        ...

    async def exec_start(self, container_id: str, exec_id: str) -> None:
        """Let the exec'd process run; raises StartFailure if its program cannot be."""
        ...

    async def attach(
        self, container_id: str, exec_id: str | None = None, *, stdin: bool, stdout: bool, stderr: bool
    ) -> Attachment:
        """Connect to a process's streams."""
        ...

    async def resize(self, container_id: str, rows: int, columns: int, exec_id: str | None = None) -> None:
        """Set the size of the process's terminal."""
        ...

    async def pids(self, container_id: str) -> list[int]:
        """All processes of the container, as the host numbers them."""
        ...

    async def stats(self, container_id: str) -> dict[str, Any]:
        """Usage now, in the API's shape: keys cpu_stats, memory_stats, pids_stats, blkio_stats."""
        ...

    async def update(self, container_id: str, resources: dict[str, Any]) -> None:
        """Change limits of a running container (OCI `linux.resources`)."""
        ...
