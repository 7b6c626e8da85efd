"""The native execution driver: containers by our own spawner, monitors and init (engine.shim).

The driver holds one connection a container, to its monitor. What the kernel knows better than the
monitor (usage, limits, freezing) it asks the container's control group itself.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.driverapi.execution import Attachment, ExitStatus, IOConfig, TaskState
from engine.errdefs import (
    Conflict,
    InvalidParameter,
    NotFound,
    StartFailure,
    SystemFailure,
    Unavailable,
    Unsupported,
)
from engine.linux import cgroup as cgroups
from engine.linux import cgroup_stats
from engine.linux.cgroup import Cgroup, CgroupLayout
from engine.shim.client import Disconnected, MonitorClient, RequestFailed, SpawnerClient, connect
from engine.shim.failure import describe
from engine.shim.protocol import EXIT_NAME, STATE_NAME, FrameDecoder, encode

#: Of us, which say nothing about the monitor.
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN)
#: SIGKILL, which is how a container ends whose monitor was killed.
_LOST = 137


@dataclass(slots=True)
class _Container:
    """What the driver keeps of a container. monitor: None once it is known to be gone."""

    exec_dir: Path
    state_dir: Path
    cgroup: Cgroup
    monitor: MonitorClient | None
    stages: dict[str, float] = field(default_factory=dict)


class StreamAttachment:
    """engine.driverapi.execution.Attachment over a connection to the monitor."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def close(self) -> None:
        """Detach."""
        self.writer.close()


class NativeDriver:
    """engine.driverapi.execution.ExecutionDriver in our own processes. Takes no options."""

    name = "native"

    def __init__(self, exec_root: Path, options: Mapping[str, str]) -> None:
        if options:
            raise InvalidParameter(f"the native execution driver has no option {sorted(options)[0]!r}")
        self._root = exec_root / "containers"
        self._spawner = SpawnerClient(exec_root / "spawner.lock")
        self._containers: dict[str, _Container] = {}
        self._layout: CgroupLayout = CgroupLayout(0, {})
        self._seccomp: dict[bytes, str] = {}
        self._last_seccomp: tuple[Any, str] = (None, "")

    async def open(self) -> None:
        """Start the spawner; SystemFailure if the machine has no control groups."""
        self._root.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._layout = cgroups.detect()
        if self._layout.version == 0:
            raise SystemFailure("no cgroup hierarchy is mounted; mount cgroup2 on /sys/fs/cgroup")
        if not await self._spawner.settle():
            raise SystemFailure(
                "a process of the daemon that ran before still makes a container; wait for it to end, or "
                f"end it (fuser {self._root.parent}/spawner.lock)"
            )
        await self._spawner.open()

    async def close(self) -> None:
        """Hang up on spawner and monitors. Containers run on."""
        for container in self._containers.values():
            if container.monitor is not None:
                container.monitor.close()
        self._containers.clear()
        await self._spawner.close()

    # -- life

    async def create(self, container_id: str, spec: dict[str, Any], io: IOConfig, state_dir: Path) -> int:
        """See the contract. Two processes are forked; both are gone again if this raises."""
        if container_id in self._containers:
            raise Conflict(f"container {container_id} exists already")
        container = _Container(self._root / container_id, state_dir, self._group(spec), None)
        self._containers[container_id] = container
        sent = time.monotonic()
        try:
            spec, seccomp = await self._split_seccomp(spec)
            arguments = {
                "container_id": container_id,
                "spec": spec,
                "io": _io(io),
                "state_dir": str(state_dir),
                "exec_dir": str(container.exec_dir),
                "seccomp": seccomp,
            }
            answer = await self._first_request(container, arguments)
        except BaseException:
            self._containers.pop(container_id, None)
            if container.monitor is not None:
                container.monitor.abandon()  # also when our caller gave up in the middle
            raise
        container.stages = {"create": sent, **answer["stages"], "created": time.monotonic()}
        pid: int = answer["pid"]
        return pid

    async def _first_request(self, container: _Container, arguments: dict[str, Any]) -> dict[str, Any]:
        for attempt in (1, 2):
            container.monitor = await self._spawner.spawn()
            try:
                return await container.monitor.request("create", **arguments)
            except RequestFailed as exc:
                raise _start_failure(exc) from exc
            except Disconnected as exc:
                # The spawner died with our socket still unread; or the monitor did, which is worse.
                if attempt == 2 or container.exec_dir.exists():
                    await asyncio.to_thread(self._sweep, container)
                    raise SystemFailure(
                        "the container's monitor ended while it created the container"
                    ) from exc
        raise AssertionError("not reached")

    async def start(self, container_id: str) -> None:
        """See the contract."""
        container = self._get(container_id)
        sent = time.monotonic()
        answer = await self._start_request(container, {})
        container.stages |= {"start": sent, **answer["stages"], "started": time.monotonic()}

    async def _start_request(self, container: _Container, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self._monitor(container).request("start", **arguments)
        except RequestFailed as exc:
            raise _start_failure(exc) from exc
        except Disconnected as exc:
            raise SystemFailure("the container's monitor is gone") from exc

    def timings(self, container_id: str) -> dict[str, float]:
        """Milliseconds from `create` to each stage of create and, from `start`, of start, in order."""
        stages = sorted(self._get(container_id).stages.items(), key=lambda item: item[1])
        times, origin = {}, stages[0][1] if stages else 0.0
        for name, at in stages:
            if name == "start":
                origin = at
            times[name] = (at - origin) * 1000
        return times

    async def restore(self, container_id: str, state_dir: Path) -> TaskState | None:
        """See the contract. A container whose monitor was killed is ended, with status 137."""
        exec_dir = self._root / container_id
        try:
            monitor = await MonitorClient.over(await connect(exec_dir))
            state = await monitor.request("state")
        except RequestFailed as exc:
            raise SystemFailure(
                f"the monitor of container {container_id} says: {describe(exc.error)[0]}"
            ) from exc
        except (OSError, Disconnected, NotFound) as exc:
            if isinstance(exc, OSError) and exc.errno in _SHORTAGES:
                raise Unavailable(
                    f"cannot ask the monitor of container {container_id}: {exc.strerror}; give the daemon "
                    "more (ulimit -n), the container runs on"
                ) from exc
            group, remains = await asyncio.to_thread(self._remains, exec_dir, state_dir)
            if group is not None:
                self._containers[container_id] = _Container(exec_dir, state_dir, group, None)
            return remains
        known = self._containers.get(container_id)
        if known is not None and known.monitor is not None:
            known.monitor.close()
        group = Cgroup(self._layout, state["cgroup"])
        self._containers[container_id] = _Container(exec_dir, state_dir, group, monitor)
        exit_ = ExitStatus(**state["exit"]) if state["exit"] else None
        return TaskState(state["status"], 0 if exit_ else state["pid"], exit_)

    def _remains(self, exec_dir: Path, state_dir: Path) -> tuple[Cgroup | None, TaskState | None]:
        """A container without a monitor: what it has left in the kernel, to be deleted, and on disk."""
        group = self._recorded_group(exec_dir)
        status = _read_exit(state_dir)
        if group is not None and status is None:
            with contextlib.suppress(OSError):
                group.kill()
            status = _write_exit(state_dir)
        return group, TaskState("stopped", 0, status) if status else None

    async def wait(self, container_id: str, exec_id: str | None = None) -> ExitStatus:
        """See the contract. NotFound if there is no such container or exec."""
        while True:
            container = self._get(container_id)
            if container.monitor is not None:
                try:
                    return ExitStatus(**await container.monitor.request("wait", exec_id=exec_id))
                except Disconnected:
                    self._get(container_id)  # NotFound if it was deleted meanwhile
            if self._containers[container_id] is not container:
                continue  # found again by `restore` over another connection
            container.monitor = None
            state = await self.restore(container_id, container.state_dir)
            if state is None:
                raise NotFound(f"the runtime knows no container {container_id}")
            if state.exit is not None and self._get(container_id).monitor is None:
                return state.exit if exec_id is None else ExitStatus(_LOST, time.time())

    async def kill(self, container_id: str, signal: int, exec_id: str | None = None) -> None:
        """See the contract."""
        await self._ask(container_id, "kill", signal=signal, exec_id=exec_id)

    async def delete(self, container_id: str) -> None:
        """See the contract. An unknown container is no error."""
        container = self._containers.get(container_id)
        if container is None:
            if await self.restore(container_id, Path("/nonexistent")) is None:
                # At most a directory, of a monitor that was killed before it made anything else.
                shutil.rmtree(self._root / container_id, ignore_errors=True)
                return
            container = self._containers[container_id]
        if container.monitor is not None:
            try:
                await container.monitor.request("delete")
            except Disconnected:
                container.monitor = None
            except RequestFailed as exc:
                raise SystemFailure(
                    f"cannot delete container {container_id}: {describe(exc.error)[0]}"
                ) from exc
        if container.monitor is None:
            await asyncio.to_thread(self._sweep, container)
        else:
            container.monitor.close()
        self._containers.pop(container_id, None)

    @staticmethod
    def _sweep(container: _Container) -> None:
        """Remove what a monitor that is gone would have removed."""
        container.cgroup.remove()
        shutil.rmtree(container.exec_dir, ignore_errors=True)

    # -- further processes, streams

    async def exec(self, container_id: str, exec_id: str, process: dict[str, Any], io: IOConfig) -> int:
        """See the contract."""
        try:
            answer = await self._monitor(self._get(container_id)).request(
                "exec", exec_id=exec_id, process=process, io=_io(io)
            )
        except RequestFailed as exc:
            raise _start_failure(exc) from exc
        except Disconnected as exc:
            raise Conflict(f"container {container_id} is not running") from exc
        pid: int = answer["pid"]
        return pid

    async def exec_start(self, container_id: str, exec_id: str) -> None:
        """See the contract."""
        await self._start_request(self._get(container_id), {"exec_id": exec_id})

    async def attach(
        self, container_id: str, exec_id: str | None = None, *, stdin: bool, stdout: bool, stderr: bool
    ) -> Attachment:
        """See the contract."""
        container = self._get(container_id)
        try:
            sock = await connect(container.exec_dir)
        except OSError as exc:
            raise Conflict(f"cannot attach to container {container_id}: its monitor is gone") from exc
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=1 << 18)
        request = {
            "id": 1,
            "op": "attach",
            "exec_id": exec_id,
            "stdin": stdin,
            "stdout": stdout,
            "stderr": stderr,
        }
        try:
            writer.write(encode(request))
            reply = await _read_reply(reader)
        except (OSError, asyncio.IncompleteReadError) as exc:
            writer.close()
            raise Conflict(f"cannot attach to container {container_id}: its monitor is gone") from exc
        if "error" in reply:
            writer.close()
            raise NotFound(reply["error"].get("message") or f"cannot attach to container {container_id}")
        return StreamAttachment(reader, writer)

    async def resize(self, container_id: str, rows: int, columns: int, exec_id: str | None = None) -> None:
        """See the contract. A process without a terminal, or an ended one, is left alone."""
        await self._ask(container_id, "resize", rows=rows, columns=columns, exec_id=exec_id)

    # -- the control group

    async def pause(self, container_id: str) -> None:
        """See the contract."""
        await self._cgroup_call(container_id, lambda group: group.freeze(True), "pause")

    async def resume(self, container_id: str) -> None:
        """See the contract."""
        await self._cgroup_call(container_id, lambda group: group.freeze(False), "resume")

    async def pids(self, container_id: str) -> list[int]:
        """See the contract."""
        found: list[int] = []
        await self._cgroup_call(
            container_id, lambda group: found.extend(group.pids()), "list the processes of"
        )
        return found

    async def stats(self, container_id: str) -> dict[str, Any]:
        """See the contract."""
        found: dict[str, Any] = {}
        await self._cgroup_call(container_id, lambda group: found.update(cgroup_stats.read(group)), "measure")
        return found

    async def update(self, container_id: str, resources: dict[str, Any]) -> None:
        """See the contract."""
        await self._cgroup_call(container_id, lambda group: group.apply(resources), "update")

    async def _cgroup_call(self, container_id: str, call: Callable[[Cgroup], None], verb: str) -> None:
        group = self._get(container_id).cgroup
        try:
            await asyncio.to_thread(call, group)
        except OSError as exc:
            raise SystemFailure(
                f"cannot {verb} container {container_id}: {exc.filename}: {exc.strerror}"
            ) from exc

    # -- inside

    def _get(self, container_id: str) -> _Container:
        try:
            return self._containers[container_id]
        except KeyError:
            raise NotFound(f"the runtime knows no container {container_id}") from None

    @staticmethod
    def _monitor(container: _Container) -> MonitorClient:
        if container.monitor is None:
            raise Disconnected
        return container.monitor

    async def _ask(self, container_id: str, op: str, **arguments: Any) -> None:
        """A request for which a missing monitor means that the process has ended."""
        try:
            await self._monitor(self._get(container_id)).request(op, **arguments)
        except Disconnected as exc:
            raise NotFound(f"container {container_id} has ended") from exc
        except RequestFailed as exc:
            raise SystemFailure(f"cannot {op} container {container_id}: {describe(exc.error)[0]}") from exc

    def _group(self, spec: dict[str, Any]) -> Cgroup:
        path = (spec.get("linux") or {}).get("cgroupsPath") or ""
        try:
            return Cgroup(self._layout, path)
        except ValueError as exc:
            raise InvalidParameter(str(exc)) from exc

    def _recorded_group(self, exec_dir: Path) -> Cgroup | None:
        try:
            state = json.loads((exec_dir / STATE_NAME).read_bytes())
            return Cgroup(self._layout, state["cgroup"])
        except (OSError, ValueError, KeyError):
            return None

    async def _split_seccomp(self, spec: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
        """The spec without its seccomp profile, and the profile compiled, base64."""
        linux = spec.get("linux") or {}
        profile = linux.get("seccomp")
        if not profile:
            return spec, None
        bare = {**spec, "linux": {key: value for key, value in linux.items() if key != "seccomp"}}
        if profile is self._last_seccomp[0]:  # nearly all containers have the engine's default one
            return bare, self._last_seccomp[1]
        key = hashlib.blake2b(json.dumps(profile, sort_keys=True).encode(), digest_size=16).digest()
        program = self._seccomp.get(key)
        if program is None:
            from engine.linux import seccomp  # libseccomp is loaded when a profile needs it

            try:
                program = base64.b64encode(await asyncio.to_thread(seccomp.compile, profile)).decode()
            except seccomp.Unavailable as exc:
                raise Unsupported(str(exc)) from exc
            except seccomp.BadProfile as exc:
                raise InvalidParameter(str(exc)) from exc
            self._seccomp[key] = program
        self._last_seccomp = (profile, program)
        return bare, program


async def _read_reply(reader: asyncio.StreamReader) -> dict[str, Any]:
    """One frame, and not a byte of the stream that follows it."""
    decoder = FrameDecoder()
    header = await reader.readexactly(4)
    list(decoder.feed(header))
    body = await reader.readexactly(int.from_bytes(header, "big"))
    return next(decoder.feed(body))


def _start_failure(exc: RequestFailed) -> StartFailure:
    message, code = describe(exc.error)
    return StartFailure(message, exit_code=code)


def _io(io: IOConfig) -> dict[str, Any]:
    return {
        "tty": io.tty,
        "stdin": io.stdin,
        "stdin_once": io.stdin_once,
        "log_path": str(io.log_path) if io.log_path else None,
        "log_max_size": io.log_max_size,
        "log_max_file": io.log_max_file,
        "log_attrs": io.log_attrs,
    }


def _read_exit(state_dir: Path) -> ExitStatus | None:
    try:
        return ExitStatus(**json.loads((state_dir / EXIT_NAME).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _write_exit(state_dir: Path) -> ExitStatus:
    status = ExitStatus(_LOST, time.time())
    with contextlib.suppress(OSError):
        temporary = state_dir / f"{EXIT_NAME}.lost"
        temporary.write_text(json.dumps({"code": status.code, "at": status.at, "oom_killed": False}))
        temporary.replace(state_dir / EXIT_NAME)
    return status
