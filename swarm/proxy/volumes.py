"""Volumes: made on all nodes, so that a container finds its own wherever it runs; listed as ``node/name``."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from aiohttp import web

from engine.errdefs import NotFound, Unavailable
from swarm.cluster.node import ClusterNode
from swarm.proxy import answer, fanout
from swarm.proxy.call import Call
from swarm.proxy.forward import forward

_WHITELIST_LABEL = "com.docker.swarm.whitelists"


async def list_(call: Call) -> web.StreamResponse:
    """GET /volumes."""
    filters = call.filters
    left = {k: list(filters.get(k)) for k in filters.keys() if k not in ("node", "name")}  # noqa: SIM118
    target = f"/volumes?filters={quote(answer.encode(left))}" if left else "/volumes"
    got = await fanout.answers(
        call.cluster.view.healthy,
        lambda n: call.cluster.json(n, "GET", target, version=call.version, timeout=30),
    )
    shown = []
    for node, listed in got:
        for volume in listed.get("Volumes") or ():
            name = volume["Name"]
            if filters.match("name", name, f"{node.name}/{name}") and filters.match(
                "node", node.name, node.id
            ):
                shown.append({**volume, "Name": f"{node.name}/{name}"})
    warnings = fanout.concat(listed.get("Warnings") for _, listed in got)
    return answer.json({"Volumes": shown, "Warnings": warnings})


def addressed(call: Call, name: str) -> tuple[list[ClusterNode], str]:
    """``node/name`` → that node alone; a plain name → all healthy nodes."""
    node_name, slash, rest = name.partition("/")
    if slash and any(n.name == node_name for n in call.cluster.view):
        node = call.cluster.view.node(node_name)
        node.require()
        return [node], rest
    return fanout.require_some(call.cluster.view.healthy), name


async def inspect(call: Call) -> web.StreamResponse:
    """GET /volumes/{name}: as the first node that has it tells."""
    nodes, name = addressed(call, call.variable("name"))
    target = f"/volumes/{quote(name, safe='')}"
    for node, result in await fanout.each(
        nodes, lambda n: call.cluster.json(n, "GET", target, version=call.version, timeout=30)
    ):
        if isinstance(result, dict):
            shown = {**result, "Name": f"{node.name}/{name}"} if len(nodes) == 1 else result
            return answer.json(shown)
    raise NotFound(f"get {name}: no such volume")


async def create(call: Call) -> web.StreamResponse:
    """POST /volumes/create: on the node of ``node/name``, on those a whitelist label names, else on all."""
    body = await call.body()
    nodes, name = addressed(call, body.get("Name") or "")
    body["Name"] = name
    listed = (body.get("Labels") or {}).get(_WHITELIST_LABEL)
    if listed:
        nodes = [n for n in nodes if n.name in _listed_names(listed)]
        if not nodes:
            raise Unavailable(f"no healthy node is on the list in label {_WHITELIST_LABEL}: {listed}")
    if not name:
        return await forward(call, nodes[0], data=answer.encode(body).encode())

    async def ask(node: ClusterNode) -> Any:
        made = await call.cluster.json(node, "POST", "/volumes/create", version=call.version, json=body)
        await call.cluster.sync(node).volumes()
        return made

    made = await fanout.all_holders(nodes, ask, f"get {name}: no such volume")
    return answer.json(made[0][1], 201)


def _listed_names(text: str) -> set[str]:
    """``["node==a|b"]`` → {a, b}."""
    return set(text.strip('[]" ').rpartition("==")[2].split("|"))


async def remove(call: Call) -> web.StreamResponse:
    """DELETE /volumes/{name}: on all nodes that have it."""
    nodes, name = addressed(call, call.variable("name"))
    target = f"/volumes/{quote(name, safe='')}{call.query_string}"

    async def ask(node: ClusterNode) -> None:
        await call.cluster.json(node, "DELETE", target, version=call.version)
        await call.cluster.sync(node).volumes()

    await fanout.all_holders(nodes, ask, f"get {name}: no such volume")
    return answer.empty()
