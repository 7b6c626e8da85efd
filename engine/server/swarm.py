"""The services API of a swarm manager, which this engine is none of: clients are told so.

A cluster is made with `pyswarm manage`, over engines that know nothing of it.
"""

from __future__ import annotations

from aiohttp import web

from engine.daemon.engine import Engine
from engine.errdefs import Unavailable, Unsupported
from engine.server.routes import Request, Route

_NO_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect '
    "this node to swarm and try again."
)


async def no_manager(request: Request, engine: Engine) -> web.StreamResponse:
    """Any request that a manager would answer."""
    raise Unavailable(_NO_MANAGER)


async def no_swarm(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /swarm/init and /swarm/join."""
    raise Unsupported("this engine has no swarm mode of its own; run `pyswarm manage` over several engines")


async def not_a_member(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /swarm/leave."""
    raise Unavailable("This node is not part of a swarm")


_KINDS = ("nodes", "services", "tasks", "secrets", "configs")

ROUTES = (
    Route("POST", "/swarm/init", no_swarm),
    Route("POST", "/swarm/join", no_swarm),
    Route("POST", "/swarm/leave", not_a_member),
    Route("GET", "/swarm", no_manager),
    Route("GET", "/swarm/unlockkey", no_manager),
    Route("POST", "/swarm/unlock", no_manager),
    Route("POST", "/swarm/update", no_manager),
    *(Route(method, f"/{kind}", no_manager) for kind in _KINDS for method in ("GET", "POST")),
    *(
        Route(method, f"/{kind}/{{rest:path}}", no_manager)
        for kind in _KINDS
        for method in ("GET", "POST", "DELETE")
    ),
)
