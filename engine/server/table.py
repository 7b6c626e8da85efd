"""All routes of the API, put together from the handler modules."""

from __future__ import annotations

from engine.server import (
    archive,
    build,
    containers,
    events,
    exec,
    images,
    networks,
    registries,
    swarm,
    system,
    volumes,
)
from engine.server.routes import Route

ROUTES: tuple[Route, ...] = (
    *system.ROUTES,
    *events.ROUTES,
    *containers.ROUTES,
    *archive.ROUTES,
    *exec.ROUTES,
    *images.ROUTES,
    *registries.ROUTES,
    *build.ROUTES,
    *networks.ROUTES,
    *volumes.ROUTES,
    *swarm.ROUTES,
)
