"""The environment of a container's processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.container.defaults import DEFAULT_PATH


def environment(config: Mapping[str, Any], *, hostname: str, tty: bool, home: str = "") -> list[str]:
    """A process's environment: PATH, HOSTNAME, TERM with a terminal, then Config.Env over them, then HOME.

    An entry without "=" takes its name out, as ``docker run -e NAME`` of an unset variable does.
    """
    base = [DEFAULT_PATH, f"HOSTNAME={hostname}"] + (["TERM=xterm"] if tty else [])
    env = merge_env(base, config.get("Env") or ())
    if home and not any(entry.startswith("HOME=") for entry in env):
        env.append(f"HOME={home}")
    return env


def merge_env(base: Sequence[str], over: Sequence[str]) -> list[str]:
    """`base` with the entries of `over` replaced, removed (a bare name) or added."""
    merged = {entry.partition("=")[0]: entry for entry in base}
    for entry in over:
        name, equals, _ = entry.partition("=")
        if equals:
            merged[name] = entry
        else:
            merged.pop(name, None)
    return list(merged.values())
