"""Work in a thread that may be called off: a thread can't be stopped, so what it made is undone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def undoable(make: Callable[[], T], undo: Callable[[T], object]) -> T:
    """``make()`` in a thread. If the caller is cancelled meanwhile, ``undo`` gets what was made."""
    task = asyncio.create_task(asyncio.to_thread(make))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if task.exception() is None:
            await asyncio.to_thread(undo, task.result())
        raise
