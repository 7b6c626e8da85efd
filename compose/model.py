"""A loaded project: what the files say, in canonical form, with the names the engine will know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from compose.errors import NoSuchService
from engine.errdefs import InvalidParameter

Body = dict[str, Any]
"""A service, network or volume in canonical form (see `compose.loader.canonical`)."""


@dataclass(slots=True)
class Project:
    """services: the enabled ones, in the order of the files; disabled: those whose profile is off.

    networks and volumes each have a `name`: that of the object on the engine.
    """

    name: str
    directory: Path
    files: list[str]
    env_files: list[str]
    services: dict[str, Body]
    disabled: dict[str, Body] = field(default_factory=dict)
    networks: dict[str, Body] = field(default_factory=dict)
    volumes: dict[str, Body] = field(default_factory=dict)
    secrets: dict[str, Body] = field(default_factory=dict)
    configs: dict[str, Body] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    extensions: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def require(self, names: Iterable[str]) -> list[str]:
        """The names, checked; all services if none are given. Raises NoSuchService."""
        wanted = list(names)
        for name in wanted:
            if name not in self.services:
                raise NoSuchService(name)
        return wanted or list(self.services)

    def image_of(self, service: str) -> str:
        """The image a service runs: its own, or the name that its build gets."""
        body = self.services.get(service) or self.disabled[service]
        return str(body.get("image") or f"{self.name}-{service}")

    def scaled(self, scales: dict[str, int]) -> Project:
        """A copy whose services have these numbers of containers."""
        for name, count in scales.items():
            body = self.services.get(name)
            if body is None:
                raise NoSuchService(name)
            if count > 1 and body.get("container_name"):
                raise InvalidParameter(
                    f"service {name} can't be scaled to {count}: its container_name can be taken only once"
                )
        services = {
            name: {**body, "scale": scales[name]} if name in scales else body
            for name, body in self.services.items()
        }
        return replace(self, services=services)


def replicas(body: Body) -> int:
    """How many containers a service wants."""
    if body.get("scale") is not None:
        return int(body["scale"])
    count = (body.get("deploy") or {}).get("replicas")
    return 1 if count is None else int(count)
