"""Handlers of execs: /containers/{id}/exec and /exec/{id}/…"""

from __future__ import annotations

import asyncio

from aiohttp import web

from engine.container import detach
from engine.container.live import Exec
from engine.container.wire import ExecCreateRequest, ExecStartRequest
from engine.daemon import attach as attaching
from engine.daemon import exec as execs
from engine.daemon.engine import Engine
from engine.errdefs import DockyardError, InvalidParameter
from engine.server import params, respond, streams
from engine.server.routes import Request, Route

# How long output may go on after the process has ended, if a child of it holds it open.
GRACE = 2.0


async def create(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /containers/{id}/exec."""
    engine.containers.get(request.variables["id"])
    body = await params.body(request, ExecCreateRequest)
    if body.DetachKeys:
        try:
            detach.parse(body.DetachKeys)
        except InvalidParameter as exc:
            raise InvalidParameter(f"Invalid escape keys ({body.DetachKeys}) provided") from exc
    exec_id = execs.create(engine, request.variables["id"], body)
    return respond.json({"Id": exec_id}, 201)


async def start(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /exec/{id}/start: a plain 200 if detached, else the connection becomes its streams."""
    body = await params.body(request, ExecStartRequest)
    execs.get(engine, request.variables["id"])
    container, one = execs.claim(engine, request.variables["id"])
    size = _size(body.ConsoleSize or one.config.get("ConsoleSize"))
    if body.Detach:
        await execs.launch(engine, container, one, attach=False, size=size)
        return respond.empty(200)
    tty = bool(one.config["Tty"])
    connection = await streams.take_over(request, tty=tty)
    try:
        attachment = await execs.launch(engine, container, one, attach=True, size=size)
    except DockyardError as exc:
        streams.tell_error(connection, str(exc), tty=tty)
        return await streams.finish(connection)
    assert attachment is not None
    keys = detach.parse(one.config["DetachKeys"] or detach.DEFAULT) if tty else None
    pumping = asyncio.create_task(
        streams.pump(connection, attachment, stdin=bool(one.config["AttachStdin"]), keys=keys)
    )
    try:
        detached = await _follow(pumping, one)
    finally:
        pumping.cancel()
    if detached:
        attaching.tell(engine, container, "exec_detach")
    return await streams.finish(connection)


async def _follow(pumping: asyncio.Task[bool], one: Exec) -> bool:
    """Until output and process have both ended, so that the exit code is known when we close."""
    ended = asyncio.create_task(one.ended.wait())
    try:
        await asyncio.wait({pumping, ended}, return_when=asyncio.FIRST_COMPLETED)
        if not pumping.done():
            await asyncio.wait({pumping}, timeout=GRACE)
            return pumping.done() and pumping.result()
        if not pumping.result():
            await ended
            return False
        return True
    finally:
        ended.cancel()


def _size(size: list[int] | None) -> tuple[int, int] | None:
    return (size[0], size[1]) if size and len(size) == 2 and all(size) else None


async def inspect(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /exec/{id}/json."""
    return respond.json(execs.inspect(engine, request.variables["id"]))


async def resize(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /exec/{id}/resize."""
    rows, columns = params.integer(request, "h"), params.integer(request, "w")
    await execs.resize(engine, request.variables["id"], rows, columns)
    return respond.empty(200)


ROUTES = (
    Route("POST", "/containers/{id}/exec", create),
    Route("POST", "/exec/{id}/start", start, cancel=True),
    Route("POST", "/exec/{id}/resize", resize),
    Route("GET", "/exec/{id}/json", inspect),
)
