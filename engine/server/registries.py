"""Pull, push, /auth and /distribution: what goes over to a registry."""

from __future__ import annotations

from aiohttp import web

from engine.daemon import registries
from engine.daemon.engine import Engine
from engine.image import reference as grammar
from engine.registry.auth import Credentials, from_document, parse_header
from engine.server import params, respond
from engine.server.routes import Request, Route
from engine.server.transfer import relay


def credentials(request: Request) -> Credentials:
    """Those of the X-Registry-Auth header."""
    return parse_header(request.headers.get("X-Registry-Auth"))


async def pull(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /images/create with `fromImage`."""
    ref = registries.named(params.text(request, "fromImage"), params.text(request, "tag"))
    who, platform = credentials(request), params.text(request, "platform").lower()
    async with respond.JsonLines(request) as out:
        await relay(out, lambda progress: registries.pull(engine, ref, who, platform, progress))
    return out.response


async def push(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /images/{name}/push; `tag` chooses one tag, without it all are pushed."""
    name, tag = request.variables["name"], params.text(request, "tag")
    ref = grammar.parse(f"{name}:{tag}" if tag else name)
    who = credentials(request)
    async with respond.JsonLines(request) as out:
        await relay(out, lambda progress: registries.push(engine, ref, who, progress))
    return out.response


async def log_in(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /auth."""
    return respond.json(await registries.log_in(engine, from_document(await params.body(request))))


async def inspect(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /distribution/{name}/json."""
    return respond.json(await registries.inspect(engine, request.variables["name"], credentials(request)))


ROUTES = (
    Route("POST", "/auth", log_in, cancel=True),
    Route("POST", "/images/{name:path}/push", push, cancel=True),
    Route("GET", "/distribution/{name:path}/json", inspect, since="1.30"),
)
