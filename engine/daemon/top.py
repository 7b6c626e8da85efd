"""Use case: the processes of a container, as the host's `ps` shows them."""

from __future__ import annotations

import asyncio
import shlex
from typing import Any

from engine.daemon.engine import Engine
from engine.errdefs import Conflict, InvalidParameter, SystemFailure

DEFAULT_ARGS = "-ef"


async def top(engine: Engine, reference: str, args: str = "") -> dict[str, Any]:
    """``{"Titles": […], "Processes": [[…], …]}``. Conflict if the container does not run."""
    container = engine.containers.get(reference)
    words = split_args(args or DEFAULT_ARGS)
    if not container.running:
        raise Conflict(f"container {container.id} is not running")
    pids = await engine.execution.pids(container.id)
    try:
        output = await _ps([*words, "-q", ",".join(map(str, pids))])
    except InvalidParameter:
        output = await _ps(words)  # not all options of ps go with -q
    return parse(output, set(pids))


def split_args(args: str) -> list[str]:
    """The words of `ps_args`; InvalidParameter for those that would hide the PID column's title."""
    try:
        words = shlex.split(args)
    except ValueError as exc:
        raise InvalidParameter(f"invalid ps_args {args!r}: {exc}") from exc
    for word in words:
        for field in word.split(","):
            name, equals, title = field.partition("=")
            if equals and name.strip("-o") == "pid" and title != "PID":
                raise InvalidParameter(f'specifying "{field}" is not allowed')
    return words


async def _ps(words: list[str]) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            "ps",
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError as exc:
        raise SystemFailure("top needs the program ps (package procps) on the engine's host") from exc
    output, errors = await process.communicate()
    if process.returncode:
        text = errors.decode("utf-8", "replace").strip().partition("\n")[0]
        raise InvalidParameter(f"ps: {text or f'exit code {process.returncode}'}")
    return output.decode("utf-8", "replace")


def parse(output: str, pids: set[int]) -> dict[str, Any]:
    """The rows of `output` that are about one of `pids`; the last column takes what is left of its line.

    A row without a process id continues the one before it (threads, with ``-m``).
    """
    lines = output.splitlines()
    titles = lines[0].split() if lines else []
    if "PID" not in titles:
        raise InvalidParameter("Couldn't find PID field in ps output")
    column = titles.index("PID")
    rows: list[list[str]] = []
    ours = False
    for line in lines[1:]:
        fields = line.split(None, len(titles) - 1)
        if len(fields) <= column:
            continue
        if fields[column] != "-":
            ours = fields[column].isdigit() and int(fields[column]) in pids
        if ours:
            rows.append([field.strip() for field in fields])
    return {"Titles": titles, "Processes": rows}
