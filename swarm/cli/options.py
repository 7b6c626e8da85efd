"""What several verbs take: durations, the discovery argument, key=value options."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from engine.errdefs import InvalidParameter

_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 0.000001}

F = TypeVar("F", bound=Callable[..., Any])


class Duration(click.ParamType[float]):
    """``60s``, ``1m30s``, ``500ms``; a bare number is seconds. Becomes seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        if isinstance(value, float):
            return value
        try:
            return float(value)
        except ValueError:
            pass
        parts = _PART.findall(value)
        if not parts or "".join(n + unit for n, unit in parts) != value:
            self.fail(f"{value!r} is no duration, such as 30s or 1m30s", param, ctx)
        return sum(float(n) * _SECONDS[unit] for n, unit in parts)


DURATION = Duration()


def discovery_argument(function: F) -> F:
    """The discovery URL, by default $SWARM_DISCOVERY."""
    return click.argument("discovery", envvar="SWARM_DISCOVERY")(function)


def discovery_options(function: F) -> F:
    """--discovery-opt."""
    return click.option(
        "--discovery-opt",
        "discovery_opt",
        multiple=True,
        metavar="KEY=VALUE",
        help="kv.path, kv.cacertfile, kv.certfile, kv.keyfile (repeatable).",
    )(function)


def pairs(values: Sequence[str], flag: str) -> dict[str, str]:
    """``("a=b",)`` → {a: b}; InvalidParameter for one without =."""
    found = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise InvalidParameter(f"{flag} wants KEY=VALUE, not {text!r}")
        found[key] = value
    return found
