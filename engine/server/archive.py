"""Handlers of a container's files: archive, export, changes."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import msgspec
from aiohttp import web

from engine.daemon import archive
from engine.daemon.engine import Engine
from engine.daemon.rootfs import identity
from engine.errdefs import DockyardError, InvalidParameter
from engine.layer.compression import decompress
from engine.layer.pack import stream
from engine.server import params, respond
from engine.server.bodystream import body_file
from engine.server.routes import Request, Route
from engine.server.transfer import send_archive

MAX_DRAIN = 4 << 20
STAT_HEADER = "X-Docker-Container-Path-Stat"


def _path(request: Request) -> str:
    path = params.text(request, "path")
    if not path:
        raise InvalidParameter("bad parameter: path cannot be empty")
    return path


def _encode(stat: dict[str, Any]) -> dict[str, str]:
    return {STAT_HEADER: base64.b64encode(msgspec.json.encode(stat)).decode()}


async def head(request: Request, engine: Engine) -> web.StreamResponse:
    """HEAD /containers/{id}/archive: what is at a path."""
    reference, path = request.variables["id"], _path(request)
    container = engine.containers.get(reference)
    stat = await asyncio.to_thread(archive.stat_path, engine, container, reference, path)
    return web.Response(headers=_encode(stat))


async def get(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /containers/{id}/archive: it as a tar stream."""
    reference, path = request.variables["id"], _path(request)
    parts = archive.read(engine, engine.containers.get(reference), reference, path)
    stat = await asyncio.to_thread(next, parts)
    assert isinstance(stat, dict)
    return await send_archive(request, stream(_bytes(parts)), _encode(stat))


def _bytes(parts: Iterator[dict[str, Any] | bytes]) -> Iterator[bytes]:
    for part in parts:
        assert isinstance(part, bytes)
        yield part


async def put(request: Request, engine: Engine) -> web.StreamResponse:
    """PUT /containers/{id}/archive: unpack the body into a directory."""
    reference, path = request.variables["id"], _path(request)
    container = engine.containers.get(reference)
    keep_kind = params.boolean(request, "noOverwriteDirNonDir")
    user = container.config.get("User") or ""
    body = body_file(request)

    def work() -> None:
        owner = None
        if params.boolean(request, "copyUIDGID") and user:
            root = engine.layers.mount_rw(container.id)
            try:
                who = identity(root, user, ())
            finally:
                engine.layers.unmount_rw(container.id)
            owner = (who.uid, who.gid)
        archive.write(engine, container, reference, path, decompress(body), keep_kind=keep_kind, owner=owner)

    try:
        await asyncio.to_thread(work)
    except DockyardError:
        await _drain(request)
        raise
    return respond.empty(200)


async def _drain(request: Request) -> None:
    """Read what a client is still sending, within reason: one that is cut off sees only that."""
    left = MAX_DRAIN
    while left > 0 and (data := await request.content.read(left)):
        left -= len(data)


async def export(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /containers/{id}/export."""
    container = engine.containers.get(request.variables["id"])
    return await send_archive(request, stream(archive.export(engine, container)))


async def changes(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /containers/{id}/changes."""
    container = engine.containers.get(request.variables["id"])
    found = await asyncio.to_thread(engine.layers.changes_rw, container.id)
    return respond.json([{"Path": change.path, "Kind": int(change.kind)} for change in found] or None)


ROUTES = (
    Route("HEAD", "/containers/{id}/archive", head),
    Route("GET", "/containers/{id}/archive", get),
    Route("PUT", "/containers/{id}/archive", put),
    Route("GET", "/containers/{id}/export", export),
    Route("GET", "/containers/{id}/changes", changes),
)
