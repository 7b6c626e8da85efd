"""/images and /commit: listing, import and pull, inspection, naming, removal."""

from __future__ import annotations

import asyncio

from aiohttp import web

from engine.daemon import commit, images
from engine.daemon.engine import Engine
from engine.errdefs import InvalidParameter, Unsupported
from engine.image import inspect
from engine.server import params, registries, respond
from engine.server.bodystream import body_file
from engine.server.routes import Request, Route
from engine.server.transfer import relay, send_archive


async def list_images(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /images/json."""
    found = await asyncio.to_thread(
        images.summaries,
        engine,
        params.filters(request),
        show_all=params.boolean(request, "all"),
        shared=params.boolean(request, "shared-size"),
    )
    if request.api_version >= (1, 44):
        for entry in found:
            del entry["VirtualSize"]
    return respond.json(found)


async def create(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /images/create: a pull with `fromImage`, an import with `fromSrc`."""
    if params.text(request, "fromImage"):
        return await registries.pull(request, engine)
    source = params.text(request, "fromSrc")
    if not source:
        raise InvalidParameter("give fromImage (a pull) or fromSrc (an import)")
    if source != "-":
        raise Unsupported(
            "importing from a URL is not possible yet; fetch the archive and import it from there"
        )
    image = await asyncio.to_thread(
        images.import_archive,
        engine,
        body_file(request),
        repo=params.text(request, "repo"),
        tag=params.text(request, "tag"),
        message=params.text(request, "message"),
        changes=request.query.getall("changes", []),
        source=source,
    )
    async with respond.JsonLines(request) as out:
        await out.send({"status": image.id})
    return out.response


async def inspect_image(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /images/{name}/json."""
    image = engine.images.resolve(request.variables["name"])
    found = await asyncio.to_thread(inspect.inspect, engine.images, image, driver=engine.graph.name)
    if request.api_version >= (1, 44):
        del found["VirtualSize"]
    return respond.json(found)


async def history(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /images/{name}/history."""
    image = engine.images.resolve(request.variables["name"])
    return respond.json(await asyncio.to_thread(inspect.history, engine.images, image))


async def tag(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /images/{name}/tag."""
    repo, name = params.text(request, "repo"), params.text(request, "tag")
    await asyncio.to_thread(images.tag, engine, request.variables["name"], repo, name)
    return respond.empty(201)


async def remove(request: Request, engine: Engine) -> web.StreamResponse:
    """DELETE /images/{name}."""
    force, keep = params.boolean(request, "force"), params.boolean(request, "noprune")
    records = await asyncio.to_thread(
        images.delete, engine, request.variables["name"], force=force, prune=not keep
    )
    return respond.json(records)


async def save(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /images/{name}/get, and /images/get with `names` (repeatable, or with commas)."""
    one = request.variables.get("name")
    names = [one] if one else [n for part in request.query.getall("names", []) for n in part.split(",")]
    if not names:
        raise InvalidParameter("give the images to save as `names`")
    archive = await asyncio.to_thread(images.save, engine, names)
    return await send_archive(request, archive)


async def load(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /images/load."""
    source = body_file(request)
    async with respond.JsonLines(request) as out:
        await relay(out, lambda progress: asyncio.to_thread(images.load, engine, source, progress))
    return out.response


async def commit_container(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /commit: an image of a container."""
    image = await commit.commit(
        engine,
        params.text(request, "container"),
        await params.body(request),
        repo=params.text(request, "repo"),
        tag=params.text(request, "tag"),
        author=params.text(request, "author"),
        comment=params.text(request, "comment"),
        changes=request.query.getall("changes", []),
        freeze=params.boolean(request, "pause", True),
    )
    return respond.json({"Id": image.id}, status=201)


async def prune(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /images/prune."""
    records, freed = await asyncio.to_thread(images.prune, engine, params.filters(request))
    return respond.json({"ImagesDeleted": records or None, "SpaceReclaimed": freed})


async def search(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /images/search."""
    raise Unsupported(
        "image search asks Docker Hub's index, which this engine does not do; search its web page"
    )


ROUTES = (
    Route("POST", "/commit", commit_container),
    Route("GET", "/images/json", list_images),
    Route("GET", "/images/search", search),
    Route("GET", "/images/get", save),
    Route("GET", "/images/{name:path}/get", save),
    Route("POST", "/images/load", load, cancel=True),
    Route("POST", "/images/create", create, cancel=True),
    Route("POST", "/images/prune", prune, since="1.25"),
    Route("GET", "/images/{name:path}/json", inspect_image),
    Route("GET", "/images/{name:path}/history", history),
    Route("POST", "/images/{name:path}/tag", tag),
    Route("DELETE", "/images/{name:path}", remove),
)
