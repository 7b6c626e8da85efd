"""Contract of a log driver's daemon side: how a container's output is found again.

Writing happens in the monitor beside the container (so that it survives the daemon); the driver
says what the monitor shall write and reads it back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from engine.driverapi.execution import IOConfig


@dataclass(frozen=True, slots=True)
class LogLine:
    """One message as it was written, with its newline. stream: stdout or stderr. time: ns since the epoch."""

    stream: str
    time: int
    data: bytes
    attrs: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What to read. since, until: ns since the epoch, 0 for none. tail: lines, -1 for all.

    ended: set when the container has stopped writing; a follower then reads what is left and ends.
    """

    since: int = 0
    until: int = 0
    tail: int = -1
    follow: bool = False
    ended: asyncio.Event | None = None


class LogDriver(Protocol):
    """One way to keep logs. Constructed as ``Driver()``."""

    name: str

    def validate(self, options: Mapping[str, str]) -> None:
        """InvalidParameter for an unknown or malformed option."""
        ...

    def io(self, base: IOConfig, directory: Path, container_id: str, options: Mapping[str, str]) -> IOConfig:
        """`base` with the log members filled in."""
        ...

    def path(self, directory: Path, container_id: str) -> Path | None:
        """The API's LogPath."""
        ...


@runtime_checkable
class LogReader(Protocol):
    """Optional ability: reading back. A driver without it answers `docker logs` with an error."""

    def read(
        self, directory: Path, container_id: str, options: ReadOptions
    ) -> AsyncGenerator[list[LogLine], None]:
        """The lines asked for, in batches; with `follow`, also those to come until `ended` is set."""
        ...
