"""One process of a container as its monitor keeps it: init, or an exec'd one."""

from __future__ import annotations

import json
import os
import socket
import time

from engine.linux import namespaces as ns
from engine.linux import pty
from engine.shim import failure, init
from engine.shim.init import GO, Launch, Stdio
from engine.shim.logwriter import LogWriter
from engine.shim.loop import READ, Loop, Timer
from engine.shim.protocol import STDERR, STDOUT
from engine.shim.streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Answer = Callable[[dict[str, Any] | None, dict[str, Any] | None], None]

#: How long output may still come from those who inherited a dead process's streams, as in dockerd.
DRAIN_SECONDS = 2.0
PF_FORKNOEXEC = 0x40


class Process:
    """Its pid, streams, state and end.

    phase: "made" (waits for start), "starting", "running", "stopped". on_exit: called when it has
    ended *and* its output is over. An Answer takes (ok, error), one of them None.
    """

    def __init__(self, loop: Loop, io: dict[str, Any], on_exit: Callable[[Process], None]) -> None:
        self._loop, self._io, self._on_exit = loop, io, on_exit
        self.pid = 0
        self.phase = "made"
        self.exit: dict[str, Any] | None = None
        self.waiters: list[Answer] = []
        self._status: dict[str, Any] | None = None
        self._answer: Answer | None = None
        self._channel: socket.socket | None = None
        self._terminal = -1
        self._drain: Timer | None = None
        self.stages: dict[str, float] = {}
        self.error: dict[str, Any] | None = None
        log = None
        if io.get("log_path"):
            log = LogWriter(io["log_path"], io["log_max_size"], io["log_max_file"], io["log_attrs"])
        self.tty = bool(io["tty"])
        self.streams = Streams(loop, tty=self.tty, once=io["stdin_once"], log=log, on_over=self._over)

    def launch(self, plan: Launch, answer: Answer) -> None:
        """Fork it; `answer` is called once it waits for `start`, or has failed."""
        self._answer = answer
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        outputs: dict[int, int] = {}
        stdin = -1
        child_ends: list[int] = []
        if not self.tty:
            if self._io["stdin"]:
                read_in, stdin = os.pipe()
            else:
                read_in = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            out, write_out = os.pipe()
            err, write_err = os.pipe()
            outputs = {out: STDOUT, err: STDERR}
            child_ends = [read_in, write_out, write_err]
            plan.stdio = Stdio(*child_ends)
        try:
            self.pid = _fork(plan, theirs)
        finally:
            theirs.close()
            for fd in child_ends:
                os.close(fd)
        if not self.tty:
            self.streams.open(stdin, outputs)
        ours.setblocking(False)
        self._channel = ours
        self._loop.watch(ours.fileno(), READ, self._hear)

    def start(self, answer: Answer) -> None:
        """Let it exec; `answer` is called when it has, or could not."""
        assert self._channel is not None
        self._answer, self.phase = answer, "starting"
        self.stages = {"go": time.monotonic()}
        try:
            self._channel.send(GO)
        except OSError:
            pass  # it is dead: the end of file that follows says so

    def _hear(self, _events: int) -> None:
        assert self._channel is not None
        try:
            data, fds, _, _ = socket.recv_fds(self._channel, 65536, 1)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            self._end_of_channel()
            return
        message = json.loads(data)
        if "error" in message:
            self.error = message["error"]
            return  # the end of file follows
        self.stages.update(message["ready"])
        self.stages["ready"] = time.monotonic()
        if fds:
            self._terminal = fds[0]
            os.set_inheritable(self._terminal, False)
            writer = os.dup(self._terminal) if self._io["stdin"] else -1
            reader = os.dup(self._terminal)  # `_terminal` itself stays for resizing
            self.streams.open(writer, {reader: STDOUT})
        self._reply({"pid": self.pid, "stages": self.stages}, None)

    def _end_of_channel(self) -> None:
        assert self._channel is not None
        self._loop.forget(self._channel.fileno())
        self._channel.close()
        self._channel = None
        if self.error is None and self.phase == "starting" and _has_executed(self.pid):
            self.phase = "running"
            self.stages["executed"] = time.monotonic()
            self._reply({"stages": self.stages}, None)
        elif self._status is not None:
            self._failed()
        # else: how it ended is known in a moment, when it is reaped

    def _failed(self) -> None:
        """It ended without executing the program."""
        if self._answer is None:
            return
        code = self._status["code"] if self._status else 0
        error = self.error or {
            "operation": "killed",
            "errno": 0,
            "path": "",
            "message": f"exit code {code}",
        }
        if self._status is not None:
            self._status["code"] = failure.describe(error)[1]
        self._reply(None, error)

    def _reply(self, ok: dict[str, Any] | None, error: dict[str, Any] | None) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer(ok, error)

    def ending(self) -> None:
        """It has ended, and is not reaped yet: the last moment to see whether it ran the program.

        Its end of file, and an error before it, are there to be read, but the loop may not have come to
        them: somebody else's end can be what it was woken for.
        """
        while self._channel is not None:
            self._hear(READ)

    def reaped(self, status: int) -> None:
        """It was reaped, after `ending`; `status` as waitpid gives it."""
        code = os.waitstatus_to_exitcode(status)
        self._status = {"code": code if code >= 0 else 128 - code, "at": time.time(), "oom_killed": False}
        self._failed()
        self.phase = "stopped"
        if self.streams.over:
            self._over()
        elif self.tty and self._terminal < 0:
            self.streams.end()
        else:
            self._drain = self._loop.later(DRAIN_SECONDS, self.streams.end)

    def _over(self) -> None:
        if self._status is None or self.exit is not None:
            return
        if self._drain is not None:
            self._drain.cancel()
        if self._terminal >= 0:
            os.close(self._terminal)
            self._terminal = -1
        if self._channel is not None:
            self._end_of_channel()
        self.exit = self._status
        self._on_exit(self)

    def resize(self, rows: int, columns: int) -> None:
        """Set the terminal's size; without a terminal, nothing."""
        if self._terminal >= 0:
            pty.set_size(self._terminal, rows, columns)


def _has_executed(pid: int) -> bool:
    """Whether the process called execve since it was forked; a zombie still tells."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        flags = int(os.read(fd, 4096).rpartition(b")")[2].split()[6])
    except OSError:
        return False
    finally:
        os.close(fd)
    return not flags & PF_FORKNOEXEC


def _fork(plan: Launch, channel: socket.socket) -> int:
    """Fork into the pid namespace the plan wants. It takes effect on children, so ours is put back."""
    own = -1
    new, join = init.namespace_plan(plan.spec)
    if plan.init_pidfd >= 0:
        if (new | sum(flag for flag, _ in join)) & ns.CLONE_NEWPID:
            own = _own_pid_namespace()
            ns.setns(plan.init_pidfd, ns.CLONE_NEWPID)
    else:
        path = next((path for flag, path in join if flag == ns.CLONE_NEWPID), None)
        if path is not None:
            own = _own_pid_namespace()
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            ns.setns(fd, ns.CLONE_NEWPID)
            os.close(fd)
        elif new & ns.CLONE_NEWPID:
            own = _own_pid_namespace()
            ns.unshare(ns.CLONE_NEWPID)
    try:
        pid = os.fork()
        if pid == 0:
            _close_all_but(plan, channel)
            init.run(plan, channel)
    finally:
        if own >= 0:
            ns.setns(own, ns.CLONE_NEWPID)
            os.close(own)
    return pid


def _close_all_but(plan: Launch, channel: socket.socket) -> None:
    """Close what is the monitor's alone.

    A child that waits for "go" with our end of its own channel open would never learn that the
    monitor was killed; one that held the listening socket would let others wait for it too.
    """
    keep = {channel.fileno(), plan.init_pidfd}
    if plan.stdio is not None:
        keep |= {plan.stdio.stdin, plan.stdio.stdout, plan.stdio.stderr}
    first = 3
    for fd in sorted(keep):
        if fd >= first:
            os.closerange(first, fd)
            first = fd + 1
    os.closerange(first, 1 << 30)


def _own_pid_namespace() -> int:
    return os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
