"""Run a command in a container and collect its output: health checks."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from engine.api.stdcopy import Decoder
from engine.container.live import describe
from engine.container.model import Container
from engine.daemon.engine import Engine
from engine.daemon.process import process_of, spelled
from engine.driverapi.execution import Attachment, IOConfig
from engine.errdefs import NotFound


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How it went. output: standard output and error as they came, at most `limit` bytes."""

    exit_code: int
    output: bytes
    timed_out: bool = False


async def run_command(
    engine: Engine, container: Container, command: Sequence[str], *, timeout: float, limit: int
) -> CommandResult:
    """Run `command`; killed after `timeout` seconds. Raises StartFailure if it can't be run."""
    exec_id = secrets.token_hex(32)
    words = list(command)
    process = await asyncio.to_thread(process_of, engine, container, words)
    attributes = describe(container) | {"execID": exec_id}
    engine.events.publish("container", f"exec_create: {spelled(words)}", container.id, attributes)
    await engine.execution.exec(container.id, exec_id, process, IOConfig())
    attachment = await engine.execution.attach(container.id, exec_id, stdin=False, stdout=True, stderr=True)
    reading: asyncio.Task[bytes] | None = None
    try:
        await engine.execution.exec_start(container.id, exec_id)
        engine.events.publish("container", f"exec_start: {spelled(words)}", container.id, attributes)
        reading = asyncio.create_task(_collect(attachment, limit))
        timed_out = False
        try:
            status = await asyncio.wait_for(engine.execution.wait(container.id, exec_id), timeout)
        except TimeoutError:
            timed_out = True
            await _kill(engine, container, exec_id)
            status = await engine.execution.wait(container.id, exec_id)
        # A grandchild may hold the output open; what the check itself wrote is there by now.
        done, _ = await asyncio.wait([reading], timeout=0.5)
        output = reading.result() if done else b""
    finally:
        if reading is not None:
            reading.cancel()
        attachment.close()
    extra = attributes | {"exitCode": str(status.code)}
    engine.events.publish("container", "exec_die", container.id, extra)
    return CommandResult(status.code, output, timed_out)


async def _kill(engine: Engine, container: Container, exec_id: str) -> None:
    try:
        await engine.execution.kill(container.id, signal.SIGKILL, exec_id)
    except NotFound:
        pass  # it ended in time after all


async def _collect(attachment: Attachment, limit: int) -> bytes:
    """All output up to `limit`; what exceeds it is read and dropped."""
    decoder, output = Decoder(), bytearray()
    while chunk := await attachment.reader.read(64 * 1024):
        for _, data in decoder.feed(chunk):
            output += data[: max(0, limit - len(output))]
    return bytes(output)
