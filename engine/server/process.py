"""The daemon process: from a configuration to a served API, until a signal ends it.

SIGTERM and SIGINT stop it; containers run on, and the next daemon finds them. SIGHUP reads the
configuration file again.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import signal
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from engine.daemon import bootstrap, configfile, logs
from engine.daemon.config import DaemonConfig
from engine.daemon.engine import Engine
from engine.daemon.lock import BridgeLock, Lock
from engine.daemon.warmup import compile_default_filter
from engine.errdefs import DockyardError
from engine.server import listen
from engine.server.app import Api
from engine.server.table import ROUTES

log = logging.getLogger(__name__)

THREADS = 8
M_ARENA_MAX = -8


async def serve(config: DaemonConfig, flags: Mapping[str, Any]) -> None:
    """Run a daemon until SIGTERM or SIGINT. flags: what `configfile.load` got, for a reload.

    Raises the errdefs class of whatever keeps it from starting; then nothing of it is left.
    """
    logs.setup(config.level)
    locks: list[Lock | BridgeLock] = []
    try:
        locks.append(Lock(config.pidfile, f"pid file {config.pidfile}"))
        locks.append(Lock(config.data_root / "daemon.lock", f"data-root {config.data_root}"))
        locks.append(Lock(config.exec_root / "daemon.lock", f"exec-root {config.exec_root}"))
        if config.bridge != "none":
            locks.append(BridgeLock(config.bridge_name))
        await _run(config, flags)
    finally:
        for lock in reversed(locks):
            lock.close()


async def _run(config: DaemonConfig, flags: Mapping[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    # One heap for all threads: glibc would give each its own, and none of them shrinks again (mallopt(3)).
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    loop.set_default_executor(ThreadPoolExecutor(THREADS, "worker"))
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    api: Api | None = None

    def connected() -> asyncio.BaseProtocol:
        assert api is not None
        return api.server()

    # The addresses come first: a mistake in them, or another daemon on them, must not cost more.
    listeners = await listen.listen(config, connected)
    try:
        engine = await bootstrap.open_engine(config)
        try:
            api = Api(engine, ROUTES)
            loop.add_signal_handler(signal.SIGHUP, reload, engine, flags)
            await listen.start(config, listeners)
            notify("READY=1")
            settle()
            log.info("Daemon has completed initialization")
            await asyncio.to_thread(compile_default_filter)
            await stopped.wait()
            log.info("Stopping; containers run on")
            notify("STOPPING=1")
            listen.close(listeners)
            engine.events.close()
            await api.stop(engine.config.shutdown_timeout)
        finally:
            await bootstrap.close_engine(engine)
    finally:
        listen.close(listeners)


def settle() -> None:
    """What starting up made stays for good: keep the collector off it, give back what it left free."""
    gc.collect()
    gc.freeze()
    ctypes.CDLL(None).malloc_trim(0)


def reload(engine: Engine, flags: Mapping[str, Any]) -> None:
    """SIGHUP: take over what may change while we run; a bad file changes nothing."""
    try:
        engine.config = configfile.reload(engine.config, flags)
    except DockyardError as exc:
        log.error("the configuration stays as it was: %s", exc)
        return
    logs.setup(engine.config.level)
    log.info("Reloaded configuration from %s", engine.config.config_file)
    attributes = {"name": socket.gethostname(), "labels": ",".join(engine.config.labels)}
    engine.events.publish("daemon", "reload", engine.id, attributes)


def notify(state: str) -> None:
    """Tell the service manager how we stand (sd_notify(3)); nobody to tell is fine."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(state.encode(), address)
        except OSError as exc:
            log.warning("can't notify %s: %s", path, exc)
