"""Containers: listed from the view, everything else on the container's node."""

from __future__ import annotations

import json as stdlib_json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from aiohttp import web

from engine.errdefs import NotFound
from swarm.cluster.create import create
from swarm.cluster.node import ClusterNode, ContainerRecord
from swarm.proxy import answer, fanout
from swarm.proxy.call import Call
from swarm.proxy.forward import forward, open_upstream, relay
from swarm.proxy.hijack import hijacked, websocket
from swarm.proxy.listing import rows

Behaviour = Callable[[Call], Awaitable[web.StreamResponse]]


def on_node(*, refresh: bool = False) -> Behaviour:
    """On the container's node; with `refresh`, the view knows the change before the client does."""

    async def behaviour(call: Call) -> web.StreamResponse:
        record = call.cluster.container(call.variable("id"))

        async def fetch() -> None:
            await call.cluster.refresh(record.node, record.id)

        hook = fetch if refresh else None
        return await forward(call, record.node, call.target_for("id", record.id), before_answer=hook)

    return behaviour


async def attach(call: Call) -> web.StreamResponse:
    """Hijack."""
    record = call.cluster.container(call.variable("id"))
    return await hijacked(call, record.node, call.target_for("id", record.id))


async def attach_ws(call: Call) -> web.StreamResponse:
    """The WebSocket form."""
    record = call.cluster.container(call.variable("id"))
    return await websocket(call, record.node, call.target_for("id", record.id))


async def list_(call: Call) -> web.StreamResponse:
    """GET /containers/json."""
    cluster = call.cluster
    found = rows(
        cluster.view.containers,
        cluster.container,
        all=call.flag("all"),
        limit=call.number("limit"),
        filters=call.filters,
    )
    if call.flag("size"):
        await _add_sizes(call, found)
    return answer.json(found)


async def _add_sizes(call: Call, found: list[dict[str, Any]]) -> None:
    """Sizes are measured when asked for, so they come from the engines."""
    sizes: dict[str, dict[str, Any]] = {}
    for _, listed in await fanout.answers(
        call.cluster.view.healthy,
        lambda node: call.cluster.json(node, "GET", "/containers/json?all=1&size=1", version=call.version),
    ):
        sizes |= {summary["Id"]: summary for summary in listed}
    for shown in found:
        for key in ("SizeRw", "SizeRootFs"):
            if key in sizes.get(shown["Id"], {}):
                shown[key] = sizes[shown["Id"]][key]


async def inspect(call: Call) -> web.StreamResponse:
    """GET /containers/{id}/json, with the node added."""
    record = call.cluster.container(call.variable("id"))
    upstream = await open_upstream(call, record.node, call.target_for("id", record.id))
    try:
        if upstream.status != 200:
            return await relay(call, upstream)
        shown = await upstream.json()
    finally:
        upstream.close()
    return answer.json(with_node(shown, record))


def with_node(shown: dict[str, Any], record: ContainerRecord) -> dict[str, Any]:
    """An inspected container with its node, and the node's address for 0.0.0.0 in its ports."""
    shown["Node"] = record.node.describe()
    settings = shown.get("NetworkSettings") or {}
    for bindings in (settings.get("Ports") or {}).values():
        for binding in bindings or ():
            if binding.get("HostIp") == "0.0.0.0":
                binding["HostIp"] = record.node.facts.ip
    return shown


async def create_(call: Call) -> web.StreamResponse:
    """POST /containers/create: scheduled."""
    made = await create(
        call.cluster,
        await call.body(),
        call.text("name"),
        platform=call.text("platform"),
        version=call.version,
        auth=call.request.headers.get("X-Registry-Auth", ""),
    )
    return answer.json(made, 201)


async def rename(call: Call) -> web.StreamResponse:
    """POST /containers/{id}/rename: the name must be free in the whole cluster."""
    record = call.cluster.container(call.variable("id"))
    names = call.cluster.view.containers
    new = call.text("name").lstrip("/").removeprefix(f"{record.node.name}/")
    if not new or new == record.name:
        return await forward(call, record.node, call.target_for("id", record.id))
    names.reserve_name(new)
    try:
        target = f"/containers/{record.id}/rename?name={quote(new, safe='')}"

        async def fetch() -> None:
            await call.cluster.refresh(record.node, record.id)

        return await forward(call, record.node, target, before_answer=fetch)
    finally:
        names.release_name(new)


async def commit(call: Call) -> web.StreamResponse:
    """POST /commit: on the node of `container`."""
    record = call.cluster.container(call.text("container"))
    query = call.request.rel_url.update_query(container=record.id).raw_query_string

    async def fetch() -> None:
        await call.cluster.sync(record.node).images()

    return await forward(call, record.node, f"{call.path}?{query}", before_answer=fetch)


# Exec instances belong to their container's node


async def exec_create(call: Call) -> web.StreamResponse:
    """POST /containers/{id}/exec."""
    record = call.cluster.container(call.variable("id"))
    upstream = await open_upstream(call, record.node, call.target_for("id", record.id))
    try:
        if upstream.status != 201:
            return await relay(call, upstream)
        made = await upstream.json()
    finally:
        upstream.close()
    call.cluster.execs.remember(made["Id"], record.node.addr)
    return answer.json(made, 201)


async def exec_plain(call: Call) -> web.StreamResponse:
    """Inspect and resize."""
    return await forward(call, await _exec_node(call))


async def exec_start(call: Call) -> web.StreamResponse:
    """POST /exec/{id}/start: hijacked, unless it is detached."""
    node = await _exec_node(call)
    body = await call.body()
    if body.get("Detach"):
        return await forward(call, node, data=stdlib_json.dumps(body).encode())
    return await hijacked(call, node, call.target)


async def _exec_node(call: Call) -> ClusterNode:
    exec_id = call.variable("id")
    node = call.cluster.view.nodes.get(call.cluster.execs.get(exec_id))
    if node is not None:
        return node
    found = await fanout.each(
        call.cluster.view.healthy,
        lambda n: call.cluster.json(n, "GET", f"/exec/{quote(exec_id, safe='')}/json", timeout=10),
    )
    for node, result in found:
        if isinstance(result, dict):
            call.cluster.execs.remember(exec_id, node.addr)
            return node
    raise NotFound(f"No such exec instance: {exec_id}")
