"""Output of several containers, interleaved by lines, each with its prefix."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TextIO
from urllib.parse import quote

from compose.plan.state import Container
from engine.api.stdcopy import STDERR, Decoder
from engine.client import DockerClient
from engine.errdefs import Conflict, NotFound

COLORS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Of GET /containers/{id}/logs, and how lines are shown."""

    follow: bool = False
    tail: str = "all"
    timestamps: bool = False
    since: str = ""
    until: str = ""
    prefix: bool = True
    colors: bool = False


def short_name(container: Container, project: str) -> str:
    """The name without the project, as prefixes show it: ``web-1``."""
    for separator in ("-", "_"):
        if container.name.startswith(project + separator):
            return container.name[len(project) + 1 :]
    return container.name


class LinePrinter:
    """Writes whole lines with an aligned, coloured prefix for each source."""

    def __init__(
        self, names: Iterable[str], *, prefix: bool = True, colors: bool = False, out: TextIO | None = None
    ) -> None:
        self.out = out or sys.stdout
        self.prefix, self.colors = prefix, colors
        self.width = max((len(name) for name in names), default=0)
        self._color: dict[str, int] = {}
        self._partial: dict[tuple[str, int], bytes] = {}
        self.before: Callable[[], None] = lambda: None  # called ahead of each line

    def label(self, name: str) -> str:
        """The prefix of a source."""
        if not self.prefix:
            return ""
        self.width = max(self.width, len(name))
        text = f"{name.ljust(self.width)}  | "
        if not self.colors:
            return text
        color = self._color.setdefault(name, COLORS[len(self._color) % len(COLORS)])
        return f"\x1b[{color}m{text}\x1b[0m"

    def feed(self, name: str, stream: int, data: bytes) -> None:
        """Output of a container, in any chunks; whole lines are written."""
        *lines, rest = (self._partial.pop((name, stream), b"") + data).split(b"\n")
        if rest:
            self._partial[name, stream] = rest
        for line in lines:
            self.line(name, line.decode("utf-8", "replace"), stream)

    def finish(self, name: str) -> None:
        """Write what had no newline at its end."""
        for key in [key for key in self._partial if key[0] == name]:
            self.line(name, self._partial.pop(key).decode("utf-8", "replace"), key[1])

    def line(self, name: str, text: str, stream: int = 1) -> None:
        """One line."""
        out = sys.stderr if stream == STDERR and self.out is sys.stdout and not self.prefix else self.out
        self.before()
        print(self.label(name) + text.removesuffix("\r"), file=out, flush=True)


def epoch(moment: str, earlier: int = 0) -> str:
    """RFC 3339 with nanoseconds → ``seconds.nanoseconds``, the form that every engine reads as `since`;
    `earlier` seconds are taken off."""
    match = re.match(r"([0-9-]+T[0-9:]+)(?:\.([0-9]+))?(Z|[+-][0-9:]+)?\Z", moment)
    if not match:
        return moment
    base = datetime.fromisoformat(match[1] + (match[3] or "Z").replace("Z", "+00:00"))
    if base.year <= 1:
        return ""  # the zero time: never
    return f"{int(base.timestamp()) - earlier}.{(match[2] or '').ljust(9, '0')[:9]}"


async def read_log(
    client: DockerClient, container: str, *, tty: bool, options: LogOptions, since: str = ""
) -> AsyncIterator[tuple[int, bytes]]:
    """The log of a container as (stream, data). Ends with the log, or with the container if following."""
    params = {
        "stdout": True,
        "stderr": True,
        "follow": options.follow,
        "tail": options.tail,
        "timestamps": options.timestamps,
        "since": since or options.since or None,
        "until": options.until or None,
    }
    response = await client.request("GET", f"/containers/{quote(container, safe='')}/logs", params=params)
    try:
        await response.raise_for_status()
        decoder = Decoder()
        async for chunk in response.chunks():
            if tty:
                yield 1, chunk
            else:
                for stream, data in decoder.feed(chunk):
                    yield stream, data
    finally:
        response.close()


async def print_log(
    client: DockerClient, container: Container, name: str, printer: LinePrinter, options: LogOptions
) -> None:
    """Print the log of one container; one that is removed meanwhile just ends."""
    try:
        details: dict[str, Any] = await client.container_inspect(container.id)
        tty = bool(details["Config"].get("Tty"))
        async for stream, data in read_log(client, container.id, tty=tty, options=options):
            printer.feed(name, stream, data)
    except (NotFound, Conflict):
        pass
    printer.finish(name)


async def print_logs(
    client: DockerClient, project: str, containers: list[Container], options: LogOptions
) -> None:
    """Print the logs of containers side by side, until all end."""
    names = {container.id: short_name(container, project) for container in containers}
    printer = LinePrinter(names.values(), prefix=options.prefix, colors=options.colors)
    async with asyncio.TaskGroup() as group:
        for container in containers:
            group.create_task(print_log(client, container, names[container.id], printer, options))
