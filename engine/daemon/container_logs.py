"""Use case: what a container has written, and what it goes on to write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from engine.container.model import Container
from engine.daemon.engine import Engine
from engine.daemon.start import log_driver
from engine.driverapi.log import LogLine, LogReader, ReadOptions
from engine.errdefs import Unsupported


def reader(container: Container) -> LogReader:
    """Its log driver, if that can be read back; Unsupported otherwise."""
    driver = log_driver(container)
    if not isinstance(driver, LogReader):
        raise Unsupported("configured logging driver does not support reading")
    return driver


async def logs(
    engine: Engine, container: Container, source: LogReader, options: ReadOptions
) -> AsyncGenerator[list[LogLine], None]:
    """Batches of lines. Following ends when the container does, after all it wrote."""
    if options.follow and not container.active:
        options = replace(options, follow=False)
    ended = asyncio.Event()
    live = engine.containers.live(container.id)
    gone: asyncio.Future[int] | None = None
    if options.follow:
        gone = asyncio.get_running_loop().create_future()
        gone.add_done_callback(lambda _: ended.set())
        live.exited.append(gone)
    directory = engine.containers.directory(container.id)
    try:
        async with aclosing(source.read(directory, container.id, replace(options, ended=ended))) as batches:
            async for batch in batches:
                yield batch
    finally:
        if gone is not None:
            gone.cancel()
            if gone in live.exited:
                live.exited.remove(gone)
