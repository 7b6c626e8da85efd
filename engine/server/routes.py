"""The form of a route. Each handler module holds a table of its own::

    ROUTES = (
        Route("GET", "/containers/{id}/json", inspect),
        Route("POST", "/containers/{id}/wait", wait, cancel=True),
        Route("GET", "/images/{name:path}/json", image_inspect),
    )

    async def inspect(request: Request, engine: Engine) -> web.StreamResponse:
        container = engine.containers.get(request.variables["id"])
        return respond.json({...})

`engine.server.table` puts them together. Paths are without the `/v1.NN` prefix. `{name}` is one
segment, `{name:path}` may hold slashes (image names). Variables arrive percent-decoded. A handler
raises errdefs classes; `engine.server.errors` turns them into the answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from engine.api.versions import API_VERSION, parse
from engine.daemon.engine import Engine

NEWEST = parse(API_VERSION)


class Request(web.Request):
    """A request with what routing found out.

    variables: the path's. api_version: the one to answer in, e.g. ``(1, 41)``.
    """

    ATTRS = web.Request.ATTRS | frozenset(["variables", "api_version"])

    variables: dict[str, str]
    api_version: tuple[int, int] = NEWEST


Handler = Callable[[Request, Engine], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API.

    since: the API version that brought it; older requests get 404 like an unknown path.
    cancel: whether the handler is cancelled when its client goes away. None: GET and HEAD are,
        the others run to their end, so that a change is never left half done. A POST that only
        streams or waits (attach, exec start, wait, pull, build) says True: it must not hold up
        the daemon when its client leaves or the daemon stops, and gets CancelledError then.
    """

    method: str
    pattern: str
    handler: Handler
    since: str = "1.24"
    cancel: bool | None = None

    @property
    def cancellable(self) -> bool:
        """`cancel` with its default filled in."""
        return self.method in ("GET", "HEAD") if self.cancel is None else self.cancel
