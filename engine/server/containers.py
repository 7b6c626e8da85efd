"""Handlers of /containers."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import msgspec
from aiohttp import web

from engine.api import stdcopy
from engine.container import detach, timestamps
from engine.container.model import Container
from engine.container.wire import CreateRequest, UpdateRequest
from engine.daemon import attach as attaching
from engine.daemon import container_logs, containers, prune_containers, stop, top, wait
from engine.daemon import create as creating
from engine.daemon import remove as removing
from engine.daemon import start as starting
from engine.daemon import stats as statistics
from engine.daemon.engine import Engine
from engine.driverapi.log import LogLine, ReadOptions
from engine.errdefs import InvalidParameter
from engine.server import params, respond, streams
from engine.server.routes import Request, Route

STREAMS = {"stdout": stdcopy.STDOUT, "stderr": stdcopy.STDERR}


async def listing(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /containers/json."""
    body = await containers.listing(
        engine,
        params.filters(request),
        all=params.boolean(request, "all"),
        limit=params.integer(request, "limit"),
        size=params.boolean(request, "size"),
    )
    return web.Response(body=body, content_type="application/json")


async def create(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /containers/create."""
    body = await params.body(request, CreateRequest)
    created = await creating.create(
        engine, body, params.text(request, "name"), params.text(request, "platform")
    )
    return respond.json({"Id": created.id, "Warnings": created.warnings}, 201)


async def inspect(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /containers/{id}/json."""
    size = params.boolean(request, "size")
    return respond.json(await containers.inspect(engine, request.variables["id"], size=size))


async def start(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /containers/{id}/start."""
    await starting.start(engine, request.variables["id"])
    return respond.empty()


async def stop_(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /containers/{id}/stop."""
    await stop.stop(engine, request.variables["id"], timeout=_timeout(request), signal=_signal(request))
    return respond.empty()


async def restart(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /containers/{id}/restart."""
    await stop.restart(engine, request.variables["id"], timeout=_timeout(request), signal=_signal(request))
    return respond.empty()


def _timeout(request: Request) -> int | None:
    return params.integer(request, "t") if request.query.get("t") else None


def _signal(request: Request) -> str:
    return params.text(request, "signal")


async def kill(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /containers/{id}/kill."""
    await stop.kill(engine, request.variables["id"], _signal(request))
    return respond.empty()


async def pause(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /containers/{id}/pause."""
    await stop.pause(engine, request.variables["id"])
    return respond.empty()


async def unpause(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /containers/{id}/unpause."""
    await stop.unpause(engine, request.variables["id"])
    return respond.empty()


async def rename(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /containers/{id}/rename."""
    await containers.rename(engine, request.variables["id"], params.text(request, "name"))
    return respond.empty()


async def update(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /containers/{id}/update."""
    body = await params.body(request, UpdateRequest)
    warnings = await containers.update(engine, request.variables["id"], body)
    return respond.json({"Warnings": warnings or None})


async def resize(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /containers/{id}/resize."""
    rows, columns = params.integer(request, "h"), params.integer(request, "w")
    await attaching.resize(engine, request.variables["id"], rows, columns)
    return respond.empty(200)


async def remove(request: Request, engine: Engine) -> web.StreamResponse:
    """DELETE /containers/{id}."""
    await removing.remove(
        engine,
        request.variables["id"],
        force=params.boolean(request, "force"),
        volumes=params.boolean(request, "v"),
        link=params.boolean(request, "link"),
    )
    return respond.empty()


async def prune(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /containers/prune."""
    return respond.json(await prune_containers.prune(engine, params.filters(request)))


async def wait_(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /containers/{id}/wait: headers at once, the exit code when there is one."""
    waiting = wait.wait(engine, request.variables["id"], params.text(request, "condition"))
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    try:
        await response.prepare(request)
        code = await waiting.code
    finally:
        waiting.cancel()
    await response.write(msgspec.json.encode({"StatusCode": code}) + b"\n")
    await response.write_eof()
    return response


async def top_(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /containers/{id}/top."""
    return respond.json(await top.top(engine, request.variables["id"], params.text(request, "ps_args")))


async def stats(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /containers/{id}/stats: one object, or one a second."""
    container = engine.containers.get(request.variables["id"])
    if not params.boolean(request, "stream", True):
        one_shot = params.boolean(request, "one-shot")
        return respond.json(await statistics.once(engine, container, one_shot=one_shot))
    async with respond.JsonLines(request, end=b"\n") as out:
        await out.begin()
        async with aclosing(statistics.stream(engine, container)) as readings:
            async for reading in readings:
                await out.send(reading)
    return out.response


async def attach(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /containers/{id}/attach: the connection becomes the container's streams."""
    container = engine.containers.get(request.variables["id"])
    attaching.check(container)
    wants = {name: params.boolean(request, name) for name in ("stdin", "stdout", "stderr")}
    streaming, logs = params.boolean(request, "stream"), params.boolean(request, "logs")
    # Of an exec the terminal's size, of an attach only the keys come with the request.
    keys = detach.parse(params.text(request, "detachKeys") or detach.DEFAULT)
    connection = await streams.take_over(request, tty=container.tty)
    attaching.tell(engine, container, "attach")
    now = timestamps.now()
    attachment = await attaching.attach_now(engine, container, **wants) if streaming else None
    if logs:
        options = ReadOptions(until=now)
        source = container_logs.reader(container)
        async with aclosing(container_logs.logs(engine, container, source, options)) as batches:
            async for batch in batches:
                connection.writer.write(_frames(batch, container, wants, details=False, stamped=False))
                await connection.writer.drain()
    if streaming:
        try:
            attachment = attachment or await attaching.attach(engine, container, **wants)
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            return await streams.finish(connection)  # it was removed, or could not be started
        stdin = wants["stdin"] and bool(container.config.get("OpenStdin"))
        if await streams.pump(connection, attachment, stdin=stdin, keys=keys if container.tty else None):
            attaching.tell(engine, container, "detach")
    return await streams.finish(connection)


async def logs(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /containers/{id}/logs."""
    wants = {name: params.boolean(request, name) for name in ("stdout", "stderr")}
    if not any(wants.values()):
        raise InvalidParameter("Bad parameters: you must choose at least one stream")
    container = engine.containers.get(request.variables["id"])
    options = ReadOptions(
        since=timestamps.parse(params.text(request, "since")),
        until=timestamps.parse(params.text(request, "until")),
        tail=_tail(params.text(request, "tail")),
        follow=params.boolean(request, "follow"),
    )
    details, stamped = params.boolean(request, "details"), params.boolean(request, "timestamps")
    source = container_logs.reader(container)
    response = web.StreamResponse(headers={"Content-Type": streams.content_type(request, tty=container.tty)})
    await response.prepare(request)
    async with aclosing(container_logs.logs(engine, container, source, options)) as batches:
        async for batch in batches:
            await response.write(_frames(batch, container, wants, details=details, stamped=stamped))
    await response.write_eof()
    return response


def _tail(text: str) -> int:
    """ "all" and what is no number mean everything, as dockerd has it."""
    return int(text) if text.isdigit() else -1


def _frames(
    batch: list[LogLine], container: Container, wants: dict[str, bool], *, details: bool, stamped: bool
) -> bytes:
    """Lines as they go over the wire: framed unless the container has a terminal."""
    parts = []
    for line in batch:
        if not wants.get(line.stream):
            continue
        data = line.data
        if details:
            attributes = ",".join(f"{key}={value}" for key, value in sorted((line.attrs or {}).items()))
            data = attributes.encode() + b" " + data
        if stamped:
            data = timestamps.rfc3339nano_fixed(line.time).encode() + b" " + data
        parts.append(data if container.tty else stdcopy.frame(STREAMS[line.stream], data))
    return b"".join(parts)


ROUTES = (
    Route("GET", "/containers/json", listing),
    Route("POST", "/containers/create", create),
    Route("POST", "/containers/prune", prune),
    Route("GET", "/containers/{id}/json", inspect),
    Route("GET", "/containers/{id}/top", top_),
    Route("GET", "/containers/{id}/logs", logs),
    Route("GET", "/containers/{id}/stats", stats),
    Route("POST", "/containers/{id}/start", start),
    Route("POST", "/containers/{id}/stop", stop_),
    Route("POST", "/containers/{id}/restart", restart),
    Route("POST", "/containers/{id}/kill", kill),
    Route("POST", "/containers/{id}/pause", pause),
    Route("POST", "/containers/{id}/unpause", unpause),
    Route("POST", "/containers/{id}/rename", rename),
    Route("POST", "/containers/{id}/update", update),
    Route("POST", "/containers/{id}/resize", resize),
    Route("POST", "/containers/{id}/wait", wait_, cancel=True),
    Route("POST", "/containers/{id}/attach", attach, cancel=True),
    Route("DELETE", "/containers/{id}", remove),
)
