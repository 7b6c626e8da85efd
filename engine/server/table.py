"""All routes of the API, put together from the handler modules."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from engine.server.routes import Route

_MODULES = (
    "system",
    "events",
    "containers",
    "archive",
    "exec",
    "images",
    "build",
    "networks",
    "volumes",
    "swarm",
)

ROUTES: tuple[Route, ...] = tuple(
    route
    for name in _MODULES
    if find_spec(f"engine.server.{name}")
    for route in import_module(f"engine.server.{name}").ROUTES
)
