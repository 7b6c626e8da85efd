"""Use cases: further processes in a running container.

An exec is made (`create`), later started once, and can be inspected until its container is removed.
Between making and starting it nothing of it exists but its record, in memory.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Any

from engine.container.live import Exec, describe
from engine.container.model import Container, Status
from engine.container.wire import ExecCreateRequest, as_dict
from engine.daemon.engine import Engine
from engine.daemon.process import process_of, spelled
from engine.driverapi.execution import Attachment, IOConfig
from engine.errdefs import Conflict, DockyardError, InvalidParameter, NotFound, StartFailure, SystemFailure

log = logging.getLogger(__name__)


def create(engine: Engine, reference: str, request: ExecCreateRequest) -> str:
    """Make an exec; its id. Conflict if the container does not run."""
    container = engine.containers.get(reference)
    check_running(container)
    if not request.Cmd:
        raise InvalidParameter("No exec command specified")
    one = Exec(secrets.token_hex(32), container.id, as_dict(request))
    engine.containers.live(container.id).execs[one.id] = one
    index(engine)[one.id] = container.id
    _tell(engine, container, one, f"exec_create: {spelled(request.Cmd)}")
    return one.id


def check_running(container: Container) -> None:
    """Conflict unless a process can be started in it."""
    if container.paused:
        raise Conflict(f"container {container.name} is paused, unpause the container before exec")
    if container.state.status == Status.RESTARTING:
        raise Conflict(f"container {container.id} is restarting, wait until the container is running")
    if not container.running:
        raise Conflict(f"container {container.id} is not running")


def index(engine: Engine) -> dict[str, str]:
    """Exec id → container id."""
    found: dict[str, str] = engine.rooms.setdefault("execs", {})
    return found


def get(engine: Engine, exec_id: str) -> tuple[Container, Exec]:
    """An exec and its container; NotFound."""
    container_id = index(engine).get(exec_id)
    container = engine.containers.find(container_id) if container_id else None
    one = engine.containers.live(container.id).execs.get(exec_id) if container else None
    if container is None or one is None:
        index(engine).pop(exec_id, None)
        raise NotFound(f"No such exec instance: {exec_id}")
    return container, one


def claim(engine: Engine, exec_id: str) -> tuple[Container, Exec]:
    """Take the right to start it: Conflict if it was started before, or its container does not run."""
    container, one = get(engine, exec_id)
    if one.exit_code is not None:
        raise Conflict(f"exec command {exec_id} has already run")
    if one.started:
        raise Conflict(f"exec command {exec_id} is already running")
    check_running(container)
    one.started = True
    return container, one


async def launch(
    engine: Engine, container: Container, one: Exec, *, attach: bool, size: tuple[int, int] | None = None
) -> Attachment | None:
    """Start it, connected as its request says if `attach`. size: rows and columns of its terminal.

    Raises StartFailure if the program can't be run; the exec then has that exit code.
    """
    wanted = one.config
    try:
        process = await asyncio.to_thread(_process, engine, container, one)
        stdin = attach and bool(wanted["AttachStdin"])
        io = IOConfig(tty=bool(wanted["Tty"]), stdin=stdin, stdin_once=True)
        if size and wanted["Tty"]:
            process["consoleSize"] = {"height": size[0], "width": size[1]}
        one.pid = await engine.execution.exec(container.id, one.id, process, io)
        attachment = None
        if attach:
            attachment = await engine.execution.attach(
                container.id,
                one.id,
                stdin=stdin,
                stdout=bool(wanted["AttachStdout"]),
                stderr=bool(wanted["AttachStderr"]),
            )
        try:
            await engine.execution.exec_start(container.id, one.id)
        except BaseException:
            if attachment is not None:
                attachment.close()
            raise
    except (DockyardError, OSError) as exc:
        _finish(one, exc.exit_code if isinstance(exc, StartFailure) else 126)
        if isinstance(exc, OSError):
            raise SystemFailure(f"can't start a process in container {container.name}: {exc}") from exc
        raise
    one.running = True
    _tell(engine, container, one, f"exec_start: {spelled(wanted['Cmd'])}")
    keep(engine, asyncio.create_task(_watch(engine, container, one)))
    return attachment


def keep(engine: Engine, task: asyncio.Task[None]) -> None:
    """Hold on to a task that nobody waits for, until it is done or the daemon ends."""
    tasks: set[asyncio.Task[None]] = engine.rooms.setdefault("tasks", set())
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def _watch(engine: Engine, container: Container, one: Exec) -> None:
    try:
        code = (await engine.execution.wait(container.id, one.id)).code
    except DockyardError as exc:
        log.debug("exec %s: %s", one.id[:12], exc)
        code = 137
    if one.exit_code is None:
        _finish(one, code)
    extra = {"execID": one.id, "exitCode": str(one.exit_code)}
    engine.events.publish("container", "exec_die", container.id, describe(container) | extra)


def _finish(one: Exec, code: int) -> None:
    one.exit_code, one.running = code, False
    one.ended.set()


def _tell(engine: Engine, container: Container, one: Exec, action: str) -> None:
    engine.events.publish("container", action, container.id, describe(container) | {"execID": one.id})


def _process(engine: Engine, container: Container, one: Exec) -> dict[str, Any]:
    wanted = one.config
    return process_of(
        engine,
        container,
        wanted["Cmd"],
        user=wanted["User"],
        env=wanted["Env"],
        cwd=wanted["WorkingDir"],
        tty=bool(wanted["Tty"]),
        privileged=bool(wanted["Privileged"]),
    )


def inspect(engine: Engine, exec_id: str) -> dict[str, Any]:
    """The API's ExecInspectResponse."""
    container, one = get(engine, exec_id)
    wanted = one.config
    return {
        "ID": one.id,
        "Running": one.running,
        "ExitCode": one.exit_code,
        "ProcessConfig": {
            "tty": wanted["Tty"],
            "entrypoint": wanted["Cmd"][0],
            "arguments": wanted["Cmd"][1:],
            "privileged": wanted["Privileged"],
            **({"user": wanted["User"]} if wanted["User"] else {}),
        },
        "OpenStdin": wanted["AttachStdin"],
        "OpenStderr": wanted["AttachStderr"],
        "OpenStdout": wanted["AttachStdout"],
        "CanRemove": one.exit_code is not None,
        "ContainerID": container.id,
        "DetachKeys": wanted["DetachKeys"],
        "Pid": one.pid,
    }


async def resize(engine: Engine, exec_id: str, rows: int, columns: int) -> None:
    """Set the size of its terminal. Conflict if it does not run."""
    container, one = get(engine, exec_id)
    if not one.running:
        raise Conflict(f"exec {exec_id} is not running")
    await engine.execution.resize(container.id, rows, columns, exec_id)
