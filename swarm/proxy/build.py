"""POST /build: on one scheduled node.

Build arguments ``constraint:…`` steer it as the environment steers a create, and are taken off before the
node sees them; `--build-arg constraint:node==n1` arrives as key ``constraint:node`` with value ``=n1``.
"""

from __future__ import annotations

import json
import secrets
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from engine.errdefs import InvalidParameter
from scheduler.models import NANO, Request
from swarm.cluster.create import place
from swarm.proxy.call import Call
from swarm.proxy.forward import forward

_KINDS = ("constraint", "affinity", "whitelist")


async def build(call: Call) -> web.StreamResponse:
    """The node's own stream of progress, as it comes."""
    request, query = plan_build(list(call.request.query.items()))
    view = call.cluster.view
    node = view.node(place(call.cluster, request).node_id)
    placeholder = request.as_container(f"reserved-{secrets.token_hex(8)}")
    view.reserve(node.id, placeholder)
    try:
        response = await forward(call, node, f"{call.path}?{urlencode(query)}")
        await call.cluster.sync(node).images()
        return response
    finally:
        view.release(placeholder.id)


def plan_build(query: list[tuple[str, str]]) -> tuple[Request, list[tuple[str, str]]]:
    """What the scheduler is asked, and the query without what only it reads."""
    terms: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    left = []
    for key, value in query:
        if key == "buildargs" and value:
            value = json.dumps(_take_terms(value, terms))
        left.append((key, value))
    values = dict(query)
    request = Request(
        nano_cpus=_number(values, "cpushares") * NANO,
        memory=_number(values, "memory"),
        constraints=tuple(terms["constraint"]),
        affinities=tuple(terms["affinity"]),
        whitelists=tuple(terms["whitelist"]),
    )
    return request, left


def _take_terms(text: str, terms: dict[str, list[str]]) -> dict[str, Any]:
    try:
        arguments = json.loads(text)
    except ValueError as exc:
        raise InvalidParameter(f"buildargs is no JSON: {exc}") from exc
    if not isinstance(arguments, dict):
        raise InvalidParameter("buildargs is no JSON object")
    kept = {}
    for key, value in arguments.items():
        kind, colon, rest = key.partition(":")
        if colon and kind in terms:
            terms[kind].append(rest if value is None else f"{rest}={value}")
        else:
            kept[key] = value
    return kept


def _number(values: dict[str, str], key: str) -> int:
    text = values.get(key) or "0"
    if not text.lstrip("-").isdigit():
        raise InvalidParameter(f"{key} is no number: {text}")
    return max(0, int(text))
