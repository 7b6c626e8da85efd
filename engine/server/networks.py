"""/networks."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from engine.daemon import sandbox
from engine.daemon.engine import Engine
from engine.errdefs import InvalidParameter
from engine.server import params, respond
from engine.server.routes import Request, Route


class ConnectBody(msgspec.Struct, rename="pascal"):
    """NetworkConnectRequest. The settings are the API's EndpointSettings."""

    container: str = ""
    endpoint_config: dict[str, Any] | None = None


class DisconnectBody(msgspec.Struct, rename="pascal"):
    """NetworkDisconnectRequest."""

    container: str = ""
    force: bool = False


async def list_networks(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /networks."""
    return respond.json(await engine.networks.list(params.filters(request)))


async def inspect(request: Request, engine: Engine) -> web.StreamResponse:
    """GET /networks/{id}."""
    verbose = params.boolean(request, "verbose")
    return respond.json(await engine.networks.inspect(request.variables["id"], verbose))


async def create(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /networks/create."""
    network_id, warning = await engine.networks.create(await params.body(request))
    return respond.json({"Id": network_id, "Warning": warning}, status=201)


async def remove(request: Request, engine: Engine) -> web.StreamResponse:
    """DELETE /networks/{id}."""
    await engine.networks.remove(request.variables["id"])
    return respond.empty()


async def connect(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /networks/{id}/connect."""
    body = await params.body(request, ConnectBody)
    container = _container(body.container)
    await sandbox.connect(engine, request.variables["id"], container, body.endpoint_config)
    return respond.empty(200)


async def disconnect(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /networks/{id}/disconnect."""
    body = await params.body(request, DisconnectBody)
    container = _container(body.container)
    await sandbox.disconnect(engine, request.variables["id"], container, force=body.force)
    return respond.empty(200)


async def prune(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /networks/prune."""
    names = await engine.networks.prune(params.filters(request))
    return respond.json({"NetworksDeleted": names or None})


def _container(ref: str) -> str:
    if not ref:
        raise InvalidParameter("invalid container name or ID: value is empty")
    return ref


ROUTES = (
    Route("GET", "/networks", list_networks),
    Route("POST", "/networks/create", create),
    Route("POST", "/networks/prune", prune, since="1.25"),
    Route("GET", "/networks/{id}", inspect),
    Route("DELETE", "/networks/{id}", remove),
    Route("POST", "/networks/{id}/connect", connect),
    Route("POST", "/networks/{id}/disconnect", disconnect),
)
