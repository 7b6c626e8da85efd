"""Images: listed from all nodes, changed on all that hold them, brought to all nodes alike."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import IO, Any
from urllib.parse import quote, urlencode

from aiohttp import web

from engine.client import Response
from engine.client.errors import error_for
from engine.errdefs import DockyardError, NotFound, Unavailable
from swarm.cluster.images import find_image, with_tag
from swarm.cluster.node import ClusterNode
from swarm.proxy import answer, fanout
from swarm.proxy.call import Call
from swarm.proxy.forward import forward

_SPOOL_IN_MEMORY = 1 << 20
_CHUNK = 256 * 1024


async def list_(call: Call) -> web.StreamResponse:
    """GET /images/json: each image once, with the names it has anywhere. Filter `node` is ours."""
    filters = call.filters
    query = [(k, v) for k, v in call.request.query.items() if k != "filters"]
    left = {key: list(filters.get(key)) for key in filters.keys() if key != "node"}  # noqa: SIM118
    if left:
        query.append(("filters", answer.encode(left)))
    target = f"/images/json?{urlencode(query)}"
    nodes = [n for n in call.cluster.view.healthy if filters.match("node", n.name, n.id)]
    got = await fanout.answers(
        nodes, lambda n: call.cluster.json(n, "GET", target, version=call.version, timeout=30)
    )
    return answer.json(merged(images for _, images in got))


def merged(lists: Iterable[list[dict[str, Any]] | None]) -> list[dict[str, Any]]:
    """One entry an id, newest first; the names of all nodes, the containers added up."""
    by_id: dict[str, dict[str, Any]] = {}
    for image in fanout.concat(lists):
        kept = by_id.get(image["Id"])
        if kept is None:
            by_id[image["Id"]] = dict(image)
            continue
        for key in ("RepoTags", "RepoDigests"):
            kept[key] = list(dict.fromkeys([*(kept.get(key) or ()), *(image.get(key) or ())]))
        if "<none>:<none>" in kept["RepoTags"] and len(kept["RepoTags"]) > 1:
            kept["RepoTags"].remove("<none>:<none>")
        if image.get("Containers", -1) >= 0 and kept.get("Containers", -1) >= 0:
            kept["Containers"] += image["Containers"]
    return sorted(by_id.values(), key=lambda image: image.get("Created", 0), reverse=True)


# One node that has it


async def on_holder(call: Call) -> web.StreamResponse:
    """History, inspect, get, push: a node that has the image answers."""
    name = call.variable("name")
    return await forward(call, await holder(call, [name]))


async def get_many(call: Call) -> web.StreamResponse:
    """GET /images/get: from a node that has all of them."""
    names = [n for text in call.request.query.getall("names", []) for n in text.split(",")]
    return await forward(call, await holder(call, names))


async def holder(call: Call, names: list[str]) -> ClusterNode:
    """A node with all the images; those are asked first that are known to have them."""
    nodes = fanout.require_some(call.cluster.view.healthy)
    for node in nodes:
        if all(find_image(node, name) for name in names):
            return node

    async def ask(node: ClusterNode) -> None:
        for name in names:
            await call.cluster.json(node, "GET", f"/images/{quote(name, safe='/:@')}/json", timeout=30)

    for node, result in await fanout.each(nodes, ask):
        if not isinstance(result, DockyardError):
            return node
    raise NotFound(_no_such(names))


def _no_such(names: list[str]) -> str:
    if len(names) == 1:
        return f"No such image: {with_tag(names[0])}"
    return f"no node has all of the images {', '.join(names)}: pull or load them there first"


# All nodes that have it


async def tag(call: Call) -> web.StreamResponse:
    """POST /images/{name}/tag."""
    await _on_holders(call)
    return answer.empty(201)


async def remove(call: Call) -> web.StreamResponse:
    """DELETE /images/{name}: what each holder untagged and deleted, each line once."""
    got = await _on_holders(call)
    lines = {answer.encode(line): line for line in fanout.concat(result for _, result in got)}
    return answer.json(list(lines.values()))


async def _on_holders(call: Call) -> list[tuple[ClusterNode, Any]]:
    name = call.variable("name")
    nodes = fanout.require_some(call.cluster.view.healthy)

    async def ask(node: ClusterNode) -> Any:
        result = await call.cluster.json(node, call.request.method, call.target, version=call.version)
        await call.cluster.sync(node).images()
        return result

    return await fanout.all_holders(nodes, ask, _no_such([name]))


# All nodes


async def create(call: Call) -> web.StreamResponse:
    """POST /images/create: pull, or import (its body goes to every node)."""
    if call.text("fromSrc"):
        return await _spooled(call)
    nodes = fanout.require_some(call.cluster.view.healthy)
    what = call.text("fromImage")
    if call.text("tag"):
        what += ("@" if ":" in call.text("tag") else ":") + call.text("tag")

    async def begin(node: ClusterNode, report: Report) -> None:
        await report({"status": f"Pulling {with_tag(what)}..."})

    async def finish(node: ClusterNode, report: Report) -> None:
        await report({"status": f"Pulling {with_tag(what)}... : downloaded"})

    headers = {k: v for k, v in call.request.headers.items() if k.lower() == "x-registry-auth"}
    return await _everywhere(
        call, nodes, lambda node: node.request("POST", call.target, version=call.version, headers=headers),
        begin=begin, finish=finish,
    )  # fmt: skip


async def load(call: Call) -> web.StreamResponse:
    """POST /images/load."""
    return await _spooled(call)


async def _spooled(call: Call) -> web.StreamResponse:
    """Keep the body in a temporary file, so that each node reads it at its own pace."""
    nodes = fanout.require_some(call.cluster.view.healthy)
    with tempfile.SpooledTemporaryFile(_SPOOL_IN_MEMORY) as spool:
        async for chunk in call.request.content.iter_chunked(_CHUNK):
            await asyncio.to_thread(spool.write, chunk)
        size = spool.tell()
        turn = threading.Lock()
        headers = {"Content-Type": call.request.headers.get("Content-Type", "application/x-tar")}
        headers["Content-Length"] = str(size)

        async def send(node: ClusterNode) -> Response:
            return await node.request(
                "POST", call.target, version=call.version, data=_read(spool, size, turn), headers=headers
            )

        return await _everywhere(call, nodes, send)


async def _read(spool: IO[bytes], size: int, turn: threading.Lock) -> AsyncIterator[bytes]:
    offset = 0

    def piece() -> bytes:
        with turn:  # one file, several readers
            spool.seek(offset)
            return spool.read(_CHUNK)

    while offset < size:
        chunk = await asyncio.to_thread(piece)
        if not chunk:
            return
        yield chunk
        offset += len(chunk)


Report = Callable[[dict[str, Any]], Awaitable[None]]
Step = Callable[[ClusterNode, Report], Awaitable[None]]


async def _everywhere(
    call: Call,
    nodes: list[ClusterNode],
    send: Callable[[ClusterNode], Awaitable[Response]],
    *,
    begin: Step | None = None,
    finish: Step | None = None,
) -> web.StreamResponse:
    """Run a request with a stream of progress on all nodes; each line says whose it is.

    It fails only where all nodes fail: then with the first node's error, as a status if nothing was sent yet.
    """
    stream = answer.MessageStream(call.request)
    failures: dict[str, DockyardError] = {}

    async def one(node: ClusterNode) -> None:
        async def report(message: dict[str, Any]) -> None:
            detail = message.get("id")
            if detail:
                message = {**message, "status": f"{detail}: {message.get('status', '')}"}
            await stream.send({**message, "id": node.name})

        try:
            if begin is not None:
                await begin(node, report)
            response = await send(node)
            try:
                await _relay_progress(response, report)
            finally:
                response.close()
            if finish is not None:
                await finish(node, report)
            await call.cluster.sync(node).images()
        except DockyardError as exc:
            failures[node.name] = exc
            await report({"status": f"failed: {exc}"})

    await asyncio.gather(*(one(node) for node in nodes))
    if len(failures) == len(nodes):
        first = next(iter(failures.values()))
        await stream.send({"errorDetail": {"message": str(first)}, "error": str(first)})
    return await stream.end()


async def _relay_progress(response: Response, report: Report) -> None:
    if response.status >= 300:
        raise error_for(response.status, await response.read())
    async for message in response.lines():
        if not isinstance(message, dict):
            continue
        if message.get("error"):
            raise Unavailable(str(message["error"]))
        await report(message)
