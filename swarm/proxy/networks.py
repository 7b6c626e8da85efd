"""Networks: listed from all nodes, local ones as ``node/name``; made on one scheduled node."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from aiohttp import web

from engine.api.filters import Filters
from engine.errdefs import Conflict, NotFound
from scheduler.models import Request
from swarm.cluster.create import place
from swarm.cluster.networks import is_local, is_predefined
from swarm.cluster.node import ClusterNode
from swarm.proxy import answer, fanout
from swarm.proxy.call import Call
from swarm.proxy.forward import forward, open_upstream, relay

Found = tuple[ClusterNode, dict[str, Any]]


async def list_(call: Call) -> web.StreamResponse:
    """GET /networks: global networks once, local ones with their node."""
    filters = call.filters
    left = {k: list(filters.get(k)) for k in filters.keys() if k not in ("node", "name")}  # noqa: SIM118
    target = f"/networks?filters={quote(answer.encode(left))}" if left else "/networks"
    got = await fanout.answers(
        call.cluster.view.healthy,
        lambda n: call.cluster.json(n, "GET", target, version=call.version, timeout=30),
    )
    shown: dict[str, dict[str, Any]] = {}
    for node, networks in got:
        for network in networks:
            if _wanted(filters, node, network):
                shown[network["Id"]] = renamed(node, network)
    return answer.json(list(shown.values()))


def _wanted(filters: Filters, node: ClusterNode, network: dict[str, Any]) -> bool:
    name = network["Name"]
    return filters.match("name", name, f"{node.name}/{name}") and filters.match("node", node.name, node.id)


def renamed(node: ClusterNode, network: dict[str, Any]) -> dict[str, Any]:
    """As the cluster calls it."""
    if not is_local(network):
        return network
    return {**network, "Name": f"{node.name}/{network['Name']}"}


async def find(call: Call, reference: str) -> list[Found]:
    """All networks meant by an id, its prefix, a name or node/name; one a node. NotFound."""
    matches = _matches(call, reference)
    if not matches:
        await fanout.each(call.cluster.view.healthy, lambda n: call.cluster.sync(n).networks())
        matches = _matches(call, reference)
    if not matches:
        raise NotFound(f"network {reference} not found")
    return matches


def _matches(call: Call, reference: str) -> list[Found]:
    every = [(node, network) for node in call.cluster.view.healthy for network in node.networks]
    for hits in (
        lambda node, n: reference == n["Id"],
        lambda node, n: reference == f"{node.name}/{n['Name']}",
        lambda node, n: reference == n["Name"],
        lambda node, n: len(reference) >= 4 and n["Id"].startswith(reference),
    ):
        found = [(node, network) for node, network in every if hits(node, network)]
        if found:
            return found
    return []


async def inspect(call: Call) -> web.StreamResponse:
    """GET /networks/{id}. A name that several nodes have: the first node's, with all containers in it."""
    found = await find(call, call.variable("id"))
    if is_local(found[0][1]):
        found = [f for f in found if f[1]["Name"] == found[0][1]["Name"]]
    got = await fanout.answers(
        [node for node, _ in found],
        lambda n: call.cluster.json(
            n, "GET", f"/networks/{_id_on(found, n)}{call.query_string}", version=call.version, timeout=30
        ),
    )
    if not got:
        raise NotFound(f"network {call.variable('id')} not found")
    node, network = got[0]
    shown = network if len(got) > 1 else renamed(node, network)
    containers: dict[str, Any] = {}
    for _, part in got:
        containers |= part.get("Containers") or {}
    shown["Containers"] = containers
    return answer.json(shown)


def _id_on(found: list[Found], node: ClusterNode) -> str:
    return next(str(network["Id"]) for n, network in found if n is node)


async def create(call: Call) -> web.StreamResponse:
    """POST /networks/create: on the node of ``node/name``, else on one that the scheduler chooses."""
    body = await call.body()
    view = call.cluster.view
    node_name, slash, rest = (body.get("Name") or "").partition("/")
    if slash and any(n.name == node_name for n in view):
        node = view.node(node_name)
        body["Name"] = rest
    else:
        _refuse_second(call, body)
        node = view.node(place(call.cluster, Request()).node_id)
    upstream = await open_upstream(call, node, data=answer.encode(body).encode())
    try:
        if upstream.status == 201:
            await call.cluster.sync(node).networks()
        return await relay(call, upstream)
    finally:
        upstream.close()


def _refuse_second(call: Call, body: dict[str, Any]) -> None:
    name = body.get("Name")
    for node in call.cluster.view.healthy:
        if any(network["Name"] == name for network in node.networks):
            raise Conflict(f"network with name {name} already exists")


async def remove(call: Call) -> web.StreamResponse:
    """DELETE /networks/{id}: a plain name is that of all nodes' parts; a global one goes through any node."""
    found = await find(call, call.variable("id"))
    if not is_local(found[0][1]):
        found = found[:1]

    async def ask(node: ClusterNode) -> None:
        target = f"/networks/{_id_on(found, node)}{call.query_string}"
        await call.cluster.json(node, "DELETE", target, version=call.version)
        await call.cluster.sync(node).networks()

    if len(found) == 1 or is_predefined(found[0][1]):
        await ask(found[0][0])
    else:
        await fanout.all_holders([n for n, _ in found], ask, f"network {call.variable('id')} not found")
    return answer.empty()


async def connect(call: Call) -> web.StreamResponse:
    """POST connect and disconnect: on the container's node."""
    body = await call.body()
    record = call.cluster.container(str(body.get("Container") or ""))
    body["Container"] = record.id
    reference = call.variable("id")
    found = [f for f in await find(call, reference) if f[0] is record.node]
    network_id = found[0][1]["Id"] if found else reference.removeprefix(f"{record.node.name}/")

    async def fetch() -> None:
        await call.cluster.refresh(record.node, record.id)

    return await forward(
        call, record.node, call.target_for("id", network_id),
        data=answer.encode(body).encode(), before_answer=fetch,
    )  # fmt: skip
