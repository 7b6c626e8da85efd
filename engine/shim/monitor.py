"""The monitor: what stays beside a container from its creation to its deletion.

It is init's parent, holds the container's streams, writes its log, records how it ended, and serves
the daemon, whichever daemon that is: the one that created the container over an inherited control
connection, later ones over `monitor.sock`. It outlives them all. A daemon that is gone when the
container has ended is not waited for: the exit status is on disk by then.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import time

from engine.linux import cgroup as cgroups
from engine.linux import prctl, proctitle
from engine.linux.cgroup import Cgroup
from engine.linux.namespaces import CLONE_NEWPID
from engine.shim import identity, init
from engine.shim.connection import Connection
from engine.shim.failure import SetupError
from engine.shim.init import Launch
from engine.shim.loop import READ, Loop
from engine.shim.process import Process
from engine.shim.protocol import EXIT_NAME, SOCKET_NAME, STATE_NAME, STDERR, STDOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from engine.shim.process import Answer

#: Ended exec'd processes whose status is kept for late askers.
KEPT_EXECS = 256
#: After which an exit status that could not be written is tried again.
RETRY_SECONDS = 2.0


class Refused(Exception):
    """A request that cannot be served. kind: a word the driver maps to an error class."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Monitor:
    """One container's keeper."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.connections: set[Connection] = set()
        self.container_id = ""
        self._exec_dir = self._state_dir = ""
        self._spec: dict[str, Any] = {}
        self._cgroup: Cgroup | None = None
        self._seccomp: bytes | None = None
        self._abandoned = self._shares_pids = self._unrecorded = False
        self._init: Process | None = None
        self._init_pidfd = -1
        self._execs: dict[str, Process] = {}
        self._ended_execs: list[str] = []
        self._listener: socket.socket | None = None
        self._deleting: list[Callable[[], None]] = []
        self._requests: dict[str, Callable[[dict[str, Any], Answer], None]] = {
            "create": self._create,
            "start": self._start,
            "exec": self._exec,
            "wait": self._wait,
            "kill": self._kill,
            "resize": self._resize,
            "state": self._state,
            "delete": self._delete,
        }
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self.loop.watch(reader, READ, lambda _events: self._children(reader))

    def run(self, control: socket.socket) -> None:
        """Serve, first of all `control`, until the container is deleted."""
        self.connections.add(Connection(self, control))
        self.loop.run()

    def serve(self, connection: Connection, message: dict[str, Any]) -> bool:
        """Handle one request; True if the connection is a stream from now on."""
        request_id, op = message.get("id", 0), message.get("op")

        def answer(ok: dict[str, Any] | None, error: dict[str, Any] | None) -> None:
            connection.reply(request_id, ok, error)

        try:
            if op == "attach":
                process = self._process(message)
                answer({}, None)
                self._attach(connection, process, message)
                return True
            request = self._requests.get(str(op))
            if request is None:
                raise Refused("invalid", f"unknown request {op!r}")
            request(message, answer)
        except Refused as exc:
            answer(None, {"refused": exc.kind, "message": str(exc)})
        except SetupError as exc:
            answer(None, exc.to_dict())
        except OSError as exc:
            answer(None, SetupError.of(str(op), exc).to_dict())
        except Exception as exc:  # a daemon must get an answer, and the container must live on
            answer(None, SetupError(str(op), 0, "", f"{type(exc).__name__}: {exc}").to_dict())
        return False

    # -- requests

    def _create(self, message: dict[str, Any], answer: Answer) -> None:
        stages = {"received": time.monotonic()}
        self.container_id, spec = message["container_id"], message["spec"]
        self._spec, self._exec_dir, self._state_dir = spec, message["exec_dir"], message["state_dir"]
        proctitle.set_title(f"dockyard-monitor: {self.container_id}")
        try:
            self._listen()
            cgroup = Cgroup(_layout, spec["linux"]["cgroupsPath"])
            self._cgroup = cgroup
            # Written down before it is made, so that whoever comes after a kill -9 can undo it.
            state = {"cgroup": cgroup.path, "monitor": os.getpid()}
            _write_atomically(f"{self._exec_dir}/{STATE_NAME}", state)
            _unlock()
            cgroup.create()
            cgroup.apply(spec["linux"].get("resources") or {})
            stages["cgroup"] = time.monotonic()
            process = Process(self.loop, message["io"], self._init_ended)
            process.stages = stages
            self._init = process
            if message.get("seccomp"):
                self._seccomp = base64.b64decode(message["seccomp"])
            plan = Launch(self.container_id, spec, spec["process"], cgroup, self._seccomp)
            process.launch(plan, self._created(answer))
            self._init_pidfd = os.pidfd_open(process.pid)
        except BaseException:
            self._abandon()
            raise
        self._shares_pids = not init.namespace_plan(spec)[0] & CLONE_NEWPID
        self._spec = {"linux": {"namespaces": spec["linux"].get("namespaces"), "cgroupsPath": cgroup.path}}

    def _created(self, answer: Answer) -> Answer:
        def created(ok: dict[str, Any] | None, error: dict[str, Any] | None) -> None:
            if error is not None:
                self._abandon()
            answer(ok, error)

        return created

    def _abandon(self) -> None:
        """A creation that failed leaves nothing."""
        self._abandoned = True
        self._clean_up()
        self.loop.stop()

    def _listen(self) -> None:
        try:
            os.mkdir(self._exec_dir, 0o700)
        except FileExistsError:
            pass
        for path in (f"{self._exec_dir}/{SOCKET_NAME}", f"{self._state_dir}/{EXIT_NAME}"):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass
        # Socket paths end at 107 bytes, directories do not: bind relative to the directory.
        os.chdir(self._exec_dir)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(SOCKET_NAME)
        os.chdir("/")
        listener.listen(64)
        listener.setblocking(False)
        self._listener = listener
        self.loop.watch(listener.fileno(), READ, self._accept)

    def _start(self, message: dict[str, Any], answer: Answer) -> None:
        process = self._process(message)
        if process.phase != "made":
            raise Refused("conflict", f"process is {process.phase}")
        process.start(answer)

    def _exec(self, message: dict[str, Any], answer: Answer) -> None:
        exec_id = message["exec_id"]
        if self._init is None or self._init.phase != "running" or self._cgroup is None:
            raise Refused("conflict", f"container {self.container_id} is not running")
        if exec_id in self._execs:
            raise Refused("conflict", f"exec {exec_id} exists already")
        process = Process(self.loop, message["io"], self._exec_ended)
        process.stages = {"received": time.monotonic()}
        plan = Launch(
            self.container_id, self._spec, message["process"], self._cgroup, self._seccomp, self._init_pidfd
        )
        self._execs[exec_id] = process
        try:
            process.launch(plan, self._exec_made(exec_id, answer))
        except BaseException:
            del self._execs[exec_id]
            raise

    def _exec_made(self, exec_id: str, answer: Answer) -> Answer:
        def made(ok: dict[str, Any] | None, error: dict[str, Any] | None) -> None:
            if error is not None:
                self._execs.pop(exec_id, None)
            answer(ok, error)

        return made

    def _wait(self, message: dict[str, Any], answer: Answer) -> None:
        process = self._process(message)
        if process.exit is not None:
            answer(process.exit, None)
        else:
            process.waiters.append(answer)

    def _kill(self, message: dict[str, Any], answer: Answer) -> None:
        process = self._process(message)
        if process.phase == "stopped":
            raise Refused("notfound", "process has already finished")
        # Nobody but us reaps it, so that the pid is its own.
        os.kill(process.pid, message["signal"])
        answer({}, None)

    def _resize(self, message: dict[str, Any], answer: Answer) -> None:
        self._process(message).resize(message["rows"], message["columns"])
        answer({}, None)

    def _state(self, _message: dict[str, Any], answer: Answer) -> None:
        process = self._init
        if process is None or self._cgroup is None:
            raise Refused("notfound", "no container")
        status = {"made": "created", "starting": "created"}.get(process.phase, process.phase)
        if status == "running" and self._cgroup.frozen():
            status = "paused"
        if process.phase == "stopped" and process.exit is None:
            status = "running"  # its output is still coming
        answer(
            {"status": status, "pid": process.pid, "exit": process.exit, "cgroup": self._cgroup.path}, None
        )

    def _attach(self, connection: Connection, process: Process, message: dict[str, Any]) -> None:
        wanted = set()
        if message.get("stdout"):
            wanted.add(STDOUT)
        if message.get("stderr"):
            wanted.add(STDERR)
        sock, rest = connection.detach()
        attachment = process.streams.attach(sock, frozenset(wanted), bool(message.get("stdin")))
        attachment.feed(rest)

    def _delete(self, _message: dict[str, Any], answer: Answer) -> None:
        def gone() -> None:
            self._clean_up()
            answer({}, None)
            self._linger()

        if self._init is None or self._init.exit is not None:
            gone()
            return
        self._deleting.append(gone)
        if self._cgroup is not None:
            self._cgroup.kill()
        if self._init.phase != "stopped":
            os.kill(self._init.pid, signal.SIGKILL)

    def _linger(self) -> None:
        """End, once attachments have what is theirs (a slow one has STALL_SECONDS, as ever)."""
        processes = [self._init, *self._execs.values()]
        if any(process is not None and process.streams.attachments for process in processes):
            self.loop.later(0.05, self._linger)
            return
        self.loop.stop()

    # -- events

    def _process(self, message: dict[str, Any]) -> Process:
        exec_id = message.get("exec_id")
        process = self._execs.get(exec_id) if exec_id else self._init
        if process is None:
            raise Refused("notfound", f"no such exec: {exec_id}" if exec_id else "no container")
        return process

    def _accept(self, _events: int) -> None:
        assert self._listener is not None
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        self.connections.add(Connection(self, sock))

    def disconnected(self, connection: Connection) -> None:
        """A daemon has hung up."""
        self.connections.discard(connection)
        self._leave_if_alone()

    def _leave_if_alone(self) -> None:
        if self.connections or self._deleting or self._unrecorded:
            return
        if self._init is None or self._init.exit is not None:
            self._close_listener()
            self._linger()

    def _children(self, reader: int) -> None:
        try:
            os.read(reader, 4096)
        except BlockingIOError:
            pass
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            pid = ended.si_pid
            ours = [p for p in (self._init, *self._execs.values()) if p is not None and p.pid == pid]
            for process in ours:
                process.ending()
            _, status = os.waitpid(pid, 0)
            for process in ours:
                if process.phase != "stopped":
                    if process is self._init and self._cgroup is not None and self._shares_pids:
                        # Without a pid namespace of its own, what init has started is still there.
                        self._cgroup.kill()
                    process.reaped(status)
                    break

    def _init_ended(self, process: Process) -> None:
        assert process.exit is not None
        if self._abandoned:
            return
        if self._cgroup is not None:
            process.exit["oom_killed"] = self._cgroup.oom_kills() > 0
        self._record_exit(process.exit)
        self._tell(process)
        deleting, self._deleting = self._deleting, []
        for call in deleting:
            call()
        self._leave_if_alone()

    def _record_exit(self, exit_: dict[str, Any]) -> None:
        """Write it down; on a full disk again and again: until then whoever asks is told by us."""
        try:
            _write_atomically(f"{self._state_dir}/{EXIT_NAME}", exit_)
        except FileNotFoundError:
            pass  # the container was removed meanwhile
        except OSError:
            self._unrecorded = True
            self.loop.later(RETRY_SECONDS, lambda: self._record_exit(exit_))
            return
        self._unrecorded = False
        self._leave_if_alone()

    def _exec_ended(self, process: Process) -> None:
        self._tell(process)
        for exec_id, other in self._execs.items():
            if other is process:
                self._ended_execs.append(exec_id)
        while len(self._ended_execs) > KEPT_EXECS:
            self._execs.pop(self._ended_execs.pop(0), None)

    @staticmethod
    def _tell(process: Process) -> None:
        waiters, process.waiters = process.waiters, []
        for answer in waiters:
            answer(process.exit, None)

    def _close_listener(self) -> None:
        if self._listener is not None:
            self.loop.forget(self._listener.fileno())
            self._listener.close()
            self._listener = None

    def crashed(self) -> None:
        """Leave a trace of a defect of ours where someone looks for it."""
        import traceback

        with open(f"{self._state_dir}/monitor-crash.txt", "a", encoding="utf-8") as file:
            traceback.print_exc(file=file)

    def _clean_up(self) -> None:
        """Take away all that is ours but the exit status: processes, cgroup, socket, directory."""
        self._close_listener()
        if self._cgroup is not None:
            self._cgroup.remove()
        for name in (SOCKET_NAME, STATE_NAME):
            try:
                os.unlink(f"{self._exec_dir}/{name}")
            except OSError:
                pass
        try:
            os.rmdir(self._exec_dir)
        except OSError:
            pass


def _write_atomically(path: str, value: dict[str, Any]) -> None:
    temporary = f"{path}.{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.write(fd, json.dumps(value).encode())
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


_layout = cgroups.CgroupLayout(0, {})
_lock = -1


def prepare(lock: int = -1) -> None:
    """Find out, once in the spawner, what is the same for all monitors. lock: see SpawnerClient."""
    global _layout, _lock
    _layout, _lock = cgroups.detect(), lock
    identity.prepare()
    proctitle.locate()


def _unlock() -> None:
    """From here on any daemon can find us."""
    global _lock
    if _lock >= 0:
        os.close(_lock)
        _lock = -1


def main(control: socket.socket, taken: Callable[[], None]) -> None:
    """The life of a monitor, in a fresh child of the spawner.

    control: the spawner's socket, on which a connection arrives when a monitor is needed; taken: is
    called then. A daemon that hangs up before has no need of us.
    """
    os.setsid()
    prctl.set_child_subreaper()
    prctl.set_name("dockyard-mon")
    proctitle.set_title("dockyard-monitor: idle")
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
    monitor = Monitor()
    data, fds, _, _ = socket.recv_fds(control, 1, 1)
    taken()
    if not data or not fds:
        return
    os.set_inheritable(fds[0], False)
    try:
        monitor.run(socket.socket(fileno=fds[0]))
    except BaseException:
        monitor.crashed()
        raise
