"""``--change`` of import and commit: Dockerfile instructions applied to a configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.build.instructions import interpret_line
from engine.build.metadata import METADATA, State, workdir
from engine.errdefs import InvalidParameter

ALLOWED = frozenset(
    {"CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "STOPSIGNAL", "USER", "VOLUME"}
    | {"WORKDIR"}
)


def apply_changes(config: Mapping[str, Any] | None, changes: Iterable[str]) -> dict[str, Any]:
    """`config` (an image's `config` member) as it is after `changes`, one or more lines each.

    Raises InvalidParameter for an instruction that is unknown, malformed or makes files.
    """
    state = State(dict(config or {}))
    for text in changes:
        for line in text.splitlines():
            if not line.strip():
                continue
            name = line.split(None, 1)[0]
            if name.upper() not in ALLOWED:
                raise InvalidParameter(f"{name.lower()} is not a valid change command")
            step = interpret_line(line)
            if step.name == "WORKDIR":
                workdir(state, step)
            else:
                METADATA[step.name](state, step)
    return state.config
