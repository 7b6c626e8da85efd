"""How a container's processes run, remembered beside it, so that an exec runs the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from engine.container.model import Container
from engine.container.spec import build_process
from engine.container.users import Identity
from engine.daemon.engine import Engine
from engine.daemon.rootfs import identity
from engine.errdefs import SystemFailure
from engine.linux.capabilities import NAMES, bounding_set

_FILE = "process.json"


def remember(directory: Path, spec: dict[str, Any]) -> None:
    """Write down the process of a container's spec; `directory` is the container's."""
    (directory / _FILE).write_bytes(msgspec.json.encode(spec["process"]))


def available_capabilities() -> list[str]:
    """The daemon's own bounding set, by name: no container can have more."""
    bits = bounding_set()
    return [name for number, name in enumerate(NAMES) if bits >> number & 1]


def process_of(
    engine: Engine,
    container: Container,
    command: list[str],
    *,
    user: str = "",
    env: list[str] | None = None,
    cwd: str = "",
    tty: bool = False,
    privileged: bool = False,
) -> dict[str, Any]:
    """The OCI process object of a command in a running container. Blocks (reads files)."""
    path = engine.containers.directory(container.id) / _FILE
    try:
        spec = {"process": msgspec.json.decode(path.read_bytes())}
    except OSError as exc:
        raise SystemFailure(f"can't read how container {container.name} was started: {exc}") from exc
    who: Identity | None = None
    if user:
        root = engine.layers.mount_rw(container.id)
        try:
            who = identity(root, user, ())
        finally:
            engine.layers.unmount_rw(container.id)
    caps = available_capabilities() if privileged else None
    return build_process(
        spec,
        args=command,
        env=env or (),
        user=who,
        cwd=cwd,
        tty=tty,
        privileged=privileged,
        available_caps=caps,
    )


def spelled(command: list[str]) -> str:
    """A command as the events of execs have it: the program, a space, the arguments."""
    return " ".join([command[0], " ".join(command[1:])])
