"""GET /events: what happens, as it happens."""

from __future__ import annotations

from aiohttp import web

from engine.daemon.engine import Engine
from engine.errdefs import InvalidParameter
from engine.events.select import RULES
from engine.server import params, respond
from engine.server.routes import Request, Route


async def events(request: Request, engine: Engine) -> web.StreamResponse:
    """Headers go out at once, then a message an event until the client leaves or `until` is past."""
    filters = params.filters(request)
    filters.validate(RULES)
    since, until = params.seconds(request, "since"), params.seconds(request, "until")
    if since is not None and until is not None and since > until:
        raise InvalidParameter("`since` time cannot be after `until` time")
    with engine.events.subscribe(filters, since, until) as subscription:
        async with respond.JsonLines(request, end=b"\n") as out:
            await out.begin()
            async for event in subscription:
                await out.send(event.to_api())
    return out.response


ROUTES = (Route("GET", "/events", events),)
