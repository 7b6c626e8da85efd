"""Use case: start a container.

    lock ─> write down "starting" ─┬─> root, volumes, user      (a worker thread)   ─┬─> spec ─> create
                                   └─> network sandbox          (the controller)    ─┘
         ─> connect waiting attachments ─> start ─> write down "running" ─> watch, health, event

On a failure everything is undone and the container keeps the exit code that docker gives it: 127 not
found, 126 not executable, 128 for the rest.
"""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.container import devices, logattrs, timestamps
from engine.container.environment import environment
from engine.container.live import Live, describe
from engine.container.model import Container, Phase, Status
from engine.container.spec import SpecInputs, build_spec
from engine.daemon import health, sandbox
from engine.daemon.ending import watch
from engine.daemon.engine import Engine
from engine.daemon.process import available_capabilities, remember
from engine.daemon.remove import destroy
from engine.daemon.rootfs import Root, prepare
from engine.daemon.takedown import take_down
from engine.driverapi import registry
from engine.driverapi.execution import IOConfig
from engine.driverapi.log import LogDriver
from engine.errdefs import Conflict, DockyardError, NotModified, StartFailure, SystemFailure
from engine.network.model import Sandbox

log = logging.getLogger(__name__)


async def start(engine: Engine, reference: str) -> None:
    """Start it. NotModified if it runs already; StartFailure and others if it can't be started."""
    container = engine.containers.get(reference)
    live = engine.containers.live(container.id)
    async with live.lock:
        if container.paused:
            raise Conflict("cannot start a paused container, try unpause instead")
        if container.running:
            raise NotModified(f"container {container.name} runs already")
        if container.state.status in (Status.DEAD, Status.REMOVING):
            raise Conflict("container is marked for removal and cannot be started")
        if live.restart is not None:
            live.restart.cancel()
            live.restart = None
        live.restart_delay = 0.0
        container.restart_count = 0
        container.manually_stopped = False
        await launch(engine, container, live)


async def launch(engine: Engine, container: Container, live: Live) -> None:
    """Start it; the caller holds the lock. A container with --rm that can't start is removed."""
    live.no_restart = False
    container.phase = Phase.STARTING
    try:
        engine.containers.save(container)
        place, root = await _surroundings(engine, container)
        await _run(engine, container, live, place, root)
        _note_running(container)
        engine.containers.save(container)
    except BaseException as exc:
        await _undo(engine, container, live, exc)
        if isinstance(exc, OSError):
            raise SystemFailure(f"can't start container {container.name}: {exc}") from exc
        raise
    health.begin(engine, container, live)
    live.watcher = asyncio.create_task(watch(engine, container, launch))
    engine.events.publish("container", "start", container.id, describe(container))


def _note_running(container: Container) -> None:
    state = container.state
    state.status, state.error, state.exit_code, state.oom_killed = Status.RUNNING, "", 0, False
    state.started_at = timestamps.now()
    container.phase, container.started_before = Phase.NONE, True


async def _surroundings(engine: Engine, container: Container) -> tuple[Sandbox, Root]:
    """Network and root, side by side. If one fails, the other is let finish, so that it can be undone."""
    results = await asyncio.gather(
        engine.networks.attach(sandbox.container_net(container)),
        asyncio.to_thread(prepare, engine, container),
        return_exceptions=True,
    )
    for result in results:
        if isinstance(result, BaseException):
            raise result
    place, root = results
    assert isinstance(place, Sandbox)
    assert isinstance(root, Root)
    return place, root


async def _run(engine: Engine, container: Container, live: Live, place: Sandbox, root: Root) -> None:
    sandbox.show(container, place)
    spec = build_spec(_inputs(engine, container, place, root))
    directory = engine.containers.directory(container.id)
    remember(directory, spec)
    io = _io(engine, container, directory)
    container.state.pid = await engine.execution.create(container.id, spec, io, directory)
    await _connect_waiting(engine, container, live)
    await engine.execution.start(container.id)


def _inputs(engine: Engine, container: Container, place: Sandbox, root: Root) -> SpecInputs:
    config = container.config
    hostname = config.get("Hostname") or _shared_hostname(engine, container)
    settings = engine.config
    return SpecInputs(
        container_id=container.id,
        config=config,
        host_config=devices.with_block_numbers(container.host_config),
        rootfs=str(root.path),
        hostname=hostname,
        domainname=config.get("Domainname") or "",
        args=[container.path, *container.args],
        env=environment(config, hostname=hostname, tty=container.tty, home=root.user.home),
        user=root.user,
        netns=None if place.path is None else str(place.path),
        namespaces=_joined(engine, container),
        mounts=root.mounts,
        files=_files(engine, container, place, hostname),
        shm_path=root.shm,
        devices=root.devices,
        cgroup_parent=settings.cgroup_parent,
        available_caps=available_capabilities(),
        default_ulimits=[
            {"Name": name, "Soft": soft, "Hard": hard}
            for name, (soft, hard) in settings.default_ulimits.items()
        ],
    )


def _shared_hostname(engine: Engine, container: Container) -> str:
    mode = container.network_mode
    if mode.startswith("container:"):
        other = engine.containers.find(mode.removeprefix("container:"))
        return str(other.config.get("Hostname") or "") if other else ""
    return os.uname().nodename


def _joined(engine: Engine, container: Container) -> dict[str, str]:
    """Namespaces of other containers, by kind. Conflict if one of them does not run."""
    found = {}
    for kind, key in (("pid", "PidMode"), ("ipc", "IpcMode")):
        mode = container.host_config.get(key) or ""
        if not mode.startswith("container:"):
            continue
        other = engine.containers.get(mode.removeprefix("container:"))
        if not other.running:
            joining = f"can't join IPC of container {other.id}: " if kind == "ipc" else ""
            raise Conflict(f"{joining}container {other.id} is not running")
        if kind == "ipc" and other.host_config.get("IpcMode") != "shareable":
            raise Conflict(
                f"can't join IPC of container {other.id}: non-shareable IPC (hint: use IpcMode:shareable "
                "for the donor container)"
            )
        found[kind] = f"/proc/{other.state.pid}/ns/{kind}"
    return found


def _files(engine: Engine, container: Container, place: Sandbox, hostname: str) -> dict[str, str]:
    """/etc/hosts and its like: the host's file for each, written anew unless it is another container's."""
    mode = container.network_mode
    if mode.startswith("container:"):
        owner = engine.containers.directory(mode.removeprefix("container:"))
        return {f"/etc/{name}": str(owner / name) for name in ("hosts", "hostname", "resolv.conf")}
    directory = engine.containers.directory(container.id)
    texts = {
        "hostname": f"{hostname}\n",
        "hosts": place.hosts,
        "resolv.conf": place.resolv_conf,
    }
    for name, text in texts.items():
        _write(directory / name, text)
    return {f"/etc/{name}": str(directory / name) for name in texts}


def _write(path: Path, text: str) -> None:
    # not open(): this is the event loop, and a text file's layers cost more than the writing
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(fd, 0o644)
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def log_driver(container: Container) -> LogDriver:
    """The driver that keeps its log."""
    driver: LogDriver = registry.load("log", container.host_config["LogConfig"]["Type"])()
    return driver


def _io(engine: Engine, container: Container, directory: Path) -> IOConfig:
    config = container.config
    base = IOConfig(
        tty=container.tty, stdin=bool(config.get("OpenStdin")), stdin_once=bool(config.get("StdinOnce"))
    )
    options: dict[str, Any] = container.host_config["LogConfig"].get("Config") or {}
    base = replace(base, log_attrs=logattrs.attributes(options, container.labels, config.get("Env") or ()))
    return log_driver(container).io(base, directory, container.id, options)


async def _connect_waiting(engine: Engine, container: Container, live: Live) -> None:
    """Give those who attached before the start their connection, so that they miss nothing."""
    waiting, live.pending[:] = list(live.pending), []
    for one in waiting:
        if one.ready.done():
            continue
        try:
            attachment = await engine.execution.attach(
                container.id, stdin=one.stdin, stdout=one.stdout, stderr=one.stderr
            )
        except DockyardError as exc:
            one.ready.set_exception(exc)
            continue
        if one.ready.done():  # its client went away meanwhile
            attachment.close()
        else:
            one.ready.set_result(attachment)


async def _undo(engine: Engine, container: Container, live: Live, exc: BaseException) -> None:
    log.info("container %s does not start: %s", container.id[:12], exc)
    for one in live.pending:
        one.ready.cancel()
    live.pending.clear()
    await take_down(engine, container)
    state = container.state
    state.pid, state.error = 0, str(exc)
    state.exit_code = exc.exit_code if isinstance(exc, StartFailure) else 128
    state.status = Status.EXITED if container.started_before else Status.CREATED
    if container.started_before:
        state.finished_at = timestamps.now()
    container.phase = Phase.NONE
    engine.containers.try_save(container)
    if container.host_config.get("AutoRemove") and not live.keep:
        await destroy(engine, container, live, volumes=True)
