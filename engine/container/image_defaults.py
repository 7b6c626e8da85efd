"""What a container takes from its image: the image's config merged under the client's.

Pure. Both sides are dicts under the API's names; the result is a new one. Source: Engine API
reference, "ContainerCreate", and what dockerd does for each field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errdefs import InvalidParameter

_UNIONS = ("ExposedPorts", "Volumes", "Labels")
_IF_EMPTY = ("User", "WorkingDir", "StopSignal", "Shell")
_HEALTH = ("Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")


def merge(asked: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    """The container's config. Raises InvalidParameter if there is no command in either."""
    config = dict(asked)
    for key in _UNIONS:
        if image.get(key):
            config[key] = {**image[key], **(config.get(key) or {})}
    for key in _IF_EMPTY:
        if not config.get(key) and image.get(key):
            config[key] = image[key]
    config["Volumes"] = config.get("Volumes") or None
    config["Env"] = _environment(config.get("Env"), image.get("Env"))
    config["Healthcheck"] = _health(config.get("Healthcheck"), image.get("Healthcheck"))
    _command(config, image)
    return config


def command(config: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The program and its arguments: entrypoint followed by command."""
    words = [*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])]
    return words[0], words[1:]


def _command(config: dict[str, Any], image: Mapping[str, Any]) -> None:
    """The image's command goes with the image's entrypoint only; [""] asks for no entrypoint at all."""
    entrypoint, cmd = _words(config.get("Entrypoint")), _words(config.get("Cmd"))
    if not entrypoint:
        cmd = cmd or _words(image.get("Cmd"))
        if entrypoint is None:
            entrypoint = _words(image.get("Entrypoint"))
    if entrypoint == [""]:
        entrypoint = None
    config["Entrypoint"], config["Cmd"] = entrypoint, cmd
    if not entrypoint and not cmd:
        raise InvalidParameter("no command specified")


def _words(value: Any) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    return None if value is None else list(value)


def _environment(asked: list[str] | None, image: list[str] | None) -> list[str] | None:
    if not image:
        return asked
    names = {one.partition("=")[0] for one in asked or ()}
    return [*(asked or ()), *(one for one in image if one.partition("=")[0] not in names)]


def _health(asked: dict[str, Any] | None, image: dict[str, Any] | None) -> dict[str, Any] | None:
    if not asked or not image:
        return asked or image
    merged = dict(asked)
    for key in _HEALTH:
        if not merged.get(key) and image.get(key):
            merged[key] = image[key]
    return merged
