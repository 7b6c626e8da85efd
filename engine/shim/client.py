"""The daemon's side of the shim's protocols: a spawner to fork monitors, a monitor to talk to.

The spawner itself never imports this module: asyncio would cost every monitor its weight.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from engine.errdefs import Conflict, InvalidParameter, NotFound, SystemFailure, Unavailable
from engine.shim.protocol import SOCKET_NAME, SPAWN, FrameDecoder, encode

_REFUSALS: dict[str, type[Exception]] = {
    "notfound": NotFound,
    "conflict": Conflict,
    "invalid": InvalidParameter,
}


class RequestFailed(Exception):
    """The monitor reports a failure (engine.shim.failure) in `error`."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['operation']}: {error.get('path')}")
        self.error = error


class Disconnected(Exception):
    """The monitor is gone; what it was asked is not answered."""


class MonitorClient(asyncio.Protocol):
    """A control connection to one monitor: requests in parallel, matched to replies by id."""

    def __init__(self) -> None:
        self._decoder = FrameDecoder()
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count(1)
        self._transport: asyncio.Transport | None = None
        self.closed = False

    @classmethod
    async def over(cls, sock: socket.socket) -> MonitorClient:
        """Speak over a connected socket."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_unix_connection(cls, sock=sock)
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """asyncio.Protocol."""
        for message in self._decoder.feed(data):
            request_id = message.get("id", 0)
            # Id 0 is the spawner speaking: it could not fork, so nothing pending will be answered.
            ids = list(self._pending) if request_id == 0 else [request_id]
            for pending_id in ids:
                future = self._pending.pop(pending_id, None)
                if future is None or future.done():
                    continue
                if "error" in message:
                    future.set_exception(_to_exception(message["error"]))
                else:
                    future.set_result(message["ok"])

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio.Protocol."""
        self.closed = True
        for future in self._pending.values():
            if not future.done():
                future.set_exception(Disconnected())
        self._pending.clear()

    async def request(self, op: str, **arguments: Any) -> dict[str, Any]:
        """Ask; returns the reply's `ok`.

        Raises NotFound, Conflict or InvalidParameter as the monitor refuses, RequestFailed if it
        failed, Disconnected if it is gone.
        """
        if self.closed or self._transport is None:
            raise Disconnected
        request_id = next(self._ids)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[request_id] = future
        self._transport.write(encode({"id": request_id, "op": op, **arguments}))
        try:
            return await future
        finally:
            self._pending.pop(request_id, None)

    def abandon(self) -> None:
        """Have the container deleted, whatever has become of it, and hang up without an answer."""
        if not self.closed and self._transport is not None:
            self._transport.write(encode({"id": next(self._ids), "op": "delete"}))
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.closed = True
        if self._transport is not None:
            self._transport.close()


def _to_exception(error: dict[str, Any]) -> Exception:
    if "refused" in error:
        return _REFUSALS.get(error["refused"], SystemFailure)(error["message"])
    return RequestFailed(error)


async def connect(exec_dir: Path) -> socket.socket:
    """A connection to the monitor that listens in `exec_dir`; OSError if none does."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        # Through the directory's descriptor, since socket paths end at 107 bytes.
        directory = os.open(exec_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            await asyncio.get_running_loop().sock_connect(sock, f"/proc/self/fd/{directory}/{SOCKET_NAME}")
        finally:
            os.close(directory)
    except BaseException:
        sock.close()
        raise
    return sock


class SpawnerClient:
    """Keeps one spawner running, and has it fork monitors. A spawner that died is replaced.

    lock: a file that a spawner and its monitors hold locked (shared) for as long as they may be about
    to make a container that nobody can find yet. `settle` waits for those of an earlier daemon.
    """

    def __init__(self, lock: Path | None = None) -> None:
        self._lock = lock
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int:
        """The spawner's pid, 0 if there is none."""
        return self._process.pid if self._process else 0

    async def open(self) -> None:
        """Start the spawner, unless it runs."""
        async with self._starting:
            if self._alive():
                return
            self._forget()
            await asyncio.to_thread(self._start)

    async def settle(self, patience: float = 10.0) -> bool:
        """Wait until no monitor of an earlier daemon's is about to appear; False if one still may be.

        A daemon that is killed can leave a create request with a monitor that has not run yet. Its
        container must be there to be found, before somebody looks, or starts the same one again.
        """
        if self._lock is None:
            return True
        deadline = time.monotonic() + patience
        with self._lock.open("ab") as held:
            while True:
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        return False
                await asyncio.sleep(0.005)

    def _alive(self) -> bool:
        return self._control is not None and self._process is not None and self._process.poll() is None

    def _start(self) -> None:
        if self._process is not None:
            self._process.wait()  # hung up on, so it ends; reaped here
        script = Path(__file__).with_name("spawner.py")
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as passed:
            passed.enter_context(theirs)
            fds = [theirs.fileno()]
            if self._lock is not None:
                held = passed.enter_context(self._lock.open("ab"))
                fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
                fds.append(held.fileno())
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-X", "utf8", str(script), *map(str, fds)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=fds,
                env={},
            )
        ours.setblocking(False)
        self._control = ours

    async def spawn(self) -> MonitorClient:
        """A new monitor. Unavailable if even a fresh spawner cannot be reached."""
        for _ in range(2):
            ours, theirs = socket.socketpair()
            try:
                while self._control is None or not self._alive():
                    await self.open()
                socket.send_fds(self._control, [SPAWN], [theirs.fileno()])
                return await MonitorClient.over(ours)
            except OSError:
                ours.close()
                self._forget()
            except BaseException:
                ours.close()
                raise
            finally:
                theirs.close()
        raise Unavailable("the spawner cannot be reached; it is started anew with the next container")

    def _forget(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None

    async def close(self) -> None:
        """Hang up, whereupon the spawner ends; monitors stay."""
        self._forget()
        process, self._process = self._process, None
        if process is not None:
            await asyncio.to_thread(process.wait)
