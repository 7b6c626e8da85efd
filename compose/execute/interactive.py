"""Running a command in a container with our own terminal, or our own streams, attached to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Awaitable, Callable, Iterator

from engine.api.stdcopy import STDERR
from engine.client import HijackedStream

CHUNK = 64 * 1024

Resize = Callable[[int, int], Awaitable[None]]


@contextlib.contextmanager
def raw_terminal(fd: int) -> Iterator[None]:
    """The terminal passes keys through unchanged (Ctrl-C too), and is put back afterwards."""
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


async def converse(
    stream: HijackedStream, *, terminal: bool, stdin: bool, resize: Resize | None = None
) -> None:
    """Copy our standard input to the stream and its output to ours, until the output ends.

    terminal: the other side has one, so that the output is not framed; resize: told of the size of
    ours, at the start and when it changes.
    """
    loop = asyncio.get_running_loop()
    fd = sys.stdin.fileno() if stdin else -1
    tasks: set[asyncio.Task[None]] = set()
    if terminal and resize is not None and sys.stdout.isatty():
        _follow_size(loop, resize, tasks)
    try:
        with raw_terminal(fd) if terminal and stdin else contextlib.nullcontext():
            feeding = asyncio.create_task(_feed(stream, fd)) if stdin else None
            try:
                await _drain(stream, terminal=terminal)
            finally:
                if feeding:
                    feeding.cancel()
                    await asyncio.gather(feeding, return_exceptions=True)
    finally:
        with contextlib.suppress(ValueError, RuntimeError):
            loop.remove_signal_handler(signal.SIGWINCH)
        await asyncio.gather(*tasks, return_exceptions=True)
        await stream.close()


def _follow_size(loop: asyncio.AbstractEventLoop, resize: Resize, tasks: set[asyncio.Task[None]]) -> None:
    def changed() -> None:
        size = shutil.get_terminal_size()

        async def tell() -> None:
            with contextlib.suppress(Exception):
                # a process that has ended meanwhile has no size; nothing depends on it
                await resize(size.lines, size.columns)

        task = asyncio.create_task(tell())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGWINCH, changed)
    changed()


async def _feed(stream: HijackedStream, fd: int) -> None:
    """Standard input → the stream."""
    try:
        while data := await _read(fd):
            stream.writer.write(data)
            await stream.writer.drain()
        stream.write_eof()
    except ConnectionError:
        pass  # the process has ended: its output says so


async def _read(fd: int) -> bytes:
    """What there is to read, once there is something, without ever blocking the loop."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def readable() -> None:
        # at once: the loop would call again before whoever waits has read, and a second read blocks
        loop.remove_reader(fd)
        if not ready.done():
            ready.set_result(None)

    try:
        loop.add_reader(fd, readable)
    except PermissionError:
        return os.read(fd, CHUNK)  # a regular file, which epoll refuses: it never blocks
    try:
        await ready
    finally:
        loop.remove_reader(fd)
    return os.read(fd, CHUNK)


async def _drain(stream: HijackedStream, *, terminal: bool) -> None:
    out, err = sys.stdout.buffer, sys.stderr.buffer
    if terminal:
        while chunk := await stream.reader.read(CHUNK):
            out.write(chunk)
            out.flush()
        return
    while frames := await stream.demultiplex():
        for number, data in frames:
            target = err if number == STDERR else out
            target.write(data)
            target.flush()
