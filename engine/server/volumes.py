"""/volumes."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from engine.daemon import volumes
from engine.daemon.engine import Engine
from engine.server import params, respond
from engine.server.routes import Request, Route


class CreateBody(msgspec.Struct, rename="pascal"):
    """VolumeCreateOptions."""

    name: str | None = None
    driver: str | None = None
    driver_opts: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    cluster_volume_spec: dict[str, Any] | None = None


async def list_volumes(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /volumes."""
    found = await asyncio.to_thread(volumes.select, engine, params.filters(request))
    return respond.json({"Volumes": [volume.to_api() for volume in found], "Warnings": None})


async def create(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /volumes/create."""
    wanted = await params.body(request, CreateBody)
    volume = await asyncio.to_thread(
        engine.volumes.create, wanted.name or "", wanted.driver or "", wanted.driver_opts, wanted.labels
    )
    return respond.json(volume.to_api(), status=201)


async def inspect(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /volumes/{name}."""
    return respond.json(engine.volumes.get(request.variables["name"]).to_api())


async def remove(request: Request, engine: Engine) -> web.StreamResponse:
    """DELETE /volumes/{name}."""
    force = params.boolean(request, "force")
    await asyncio.to_thread(engine.volumes.remove, request.variables["name"], force=force)
    return respond.empty()


async def prune(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /volumes/prune: before 1.42 named volumes went too."""
    filters = params.filters(request)
    named_too = request.api_version < (1, 42)
    names, freed = await asyncio.to_thread(volumes.prune, engine, filters, named_too=named_too)
    return respond.json({"VolumesDeleted": names, "SpaceReclaimed": freed})


ROUTES = (
    Route("GET", "/volumes", list_volumes),
    Route("POST", "/volumes/create", create),
    Route("POST", "/volumes/prune", prune, since="1.25"),
    Route("GET", "/volumes/{name}", inspect),
    Route("DELETE", "/volumes/{name}", remove),
)
