"""Copying between a hijacked connection and a process's streams."""

from __future__ import annotations

import asyncio

from aiohttp import web

from engine.api import hijack, stdcopy
from engine.api.hijack import HijackedConnection
from engine.container.detach import Scanner
from engine.driverapi.execution import Attachment
from engine.server.routes import Request

CHUNK = 64 * 1024


def content_type(request: Request, *, tty: bool) -> str:
    """What a stream of output is called: framed or not; before 1.42 nobody told them apart."""
    framed = not tty and request.api_version >= (1, 42)
    return hijack.MULTIPLEXED_STREAM if framed else hijack.RAW_STREAM


async def take_over(request: Request, *, tty: bool) -> HijackedConnection:
    """The hijacked connection; whether its output is framed depends on the terminal."""
    return await hijack.hijack(request, content_type=content_type(request, tty=tty))


async def pump(
    connection: HijackedConnection, attachment: Attachment, *, stdin: bool, keys: bytes | None
) -> bool:
    """Copy both ways until the output ends; True if the detach keys were typed before.

    keys: the sequence to look for, None for none. The attachment is closed; the connection is not.
    """
    scanner = Scanner(keys) if keys else None
    output = asyncio.create_task(_output(attachment, connection))
    tasks: set[asyncio.Task[bool]] = {output}
    if stdin:
        tasks.add(asyncio.create_task(_input(connection, attachment, scanner)))
    try:
        while True:
            done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if output in done:
                return False
            if any(task.result() for task in done):
                return True
    finally:
        for task in (*tasks, output):
            task.cancel()
        await asyncio.gather(*tasks, output, return_exceptions=True)
        attachment.close()


async def _output(attachment: Attachment, connection: HijackedConnection) -> bool:
    """Until the output ends or the client is gone."""
    try:
        while data := await attachment.reader.read(CHUNK):
            connection.writer.write(data)
            await connection.writer.drain()
    except (ConnectionError, BrokenPipeError):
        pass
    return False


async def _input(connection: HijackedConnection, attachment: Attachment, scanner: Scanner | None) -> bool:
    """Until the client's input ends; True if the detach keys were typed."""
    try:
        while data := await connection.reader.read(CHUNK):
            detached = False
            if scanner is not None:
                data, detached = scanner.feed(data)
            if data:
                attachment.writer.write(data)
                await attachment.writer.drain()
            if detached:
                return True
        if attachment.writer.can_write_eof():
            attachment.writer.write_eof()
    except (ConnectionError, BrokenPipeError):
        pass  # the process has closed its input, or the client is gone
    return False


async def finish(connection: HijackedConnection) -> web.StreamResponse:
    """Close the connection after what was written has gone out."""
    try:
        connection.writer.close()
        await connection.writer.wait_closed()
    except (ConnectionError, BrokenPipeError):
        pass
    return connection.response


def tell_error(connection: HijackedConnection, message: str, *, tty: bool) -> None:
    """An error after the hijack: text on the stream, as dockerd writes it."""
    text = (message + "\r\n").encode()
    connection.writer.write(text if tty else stdcopy.frame(stdcopy.STDOUT, text))
