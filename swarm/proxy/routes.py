"""The table: every route of the Docker API and what the cluster does with it.

    local            answered from what the manager knows
    aggregated       asked of all nodes, or read from the view, and made one answer
    container's node passed to the node where the container is; "+ refresh": the view knows what changed
                     before the client has its answer
    hijack           the same, with the connection taken over
    scheduled        one node that filters and strategy choose
    image's node     one node that has the image; all holders: every node that has it
    all nodes        every healthy node; any node: one of them

Patterns: `{id}` and `{name}` may hold slashes (``node/name``, image names). The first that fits wins.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from swarm.proxy import build, containers, events, images, networks, system, volumes
from swarm.proxy.call import Call

Behaviour = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One row.

    cancel: end it when the client goes away; otherwise a change runs to its end.
    settled: a manager that has just started looks at all nodes first.
    """

    methods: str
    pattern: str
    behaviour: Behaviour
    cancel: bool = False
    settled: bool = True
    regexp: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        source = re.sub(r"\{(\w+)\}", r"(?P<\1>.+)", self.pattern)
        object.__setattr__(self, "regexp", re.compile(source))


_there = containers.on_node()
_there_then_refresh = containers.on_node(refresh=True)

ROUTES = (
    # local
    Route("GET HEAD", "/_ping", system.ping, settled=False),
    Route("GET", "/info", system.info, settled=False),
    Route("GET", "/version", system.version, settled=False),
    Route("GET", "/events", events.stream, cancel=True, settled=False),
    # containers: aggregated and scheduled
    Route("GET", "/containers/(?:json|ps)", containers.list_, cancel=True),
    Route("POST", "/containers/create", containers.create_),
    Route("POST", "/containers/prune", system.prune),
    # containers: hijack
    Route("POST", "/containers/{id}/attach", containers.attach, cancel=True),
    Route("GET", "/containers/{id}/attach/ws", containers.attach_ws, cancel=True),
    # containers: the container's node
    Route("GET HEAD PUT", "/containers/{id}/archive", _there, cancel=True),
    Route("GET", "/containers/{id}/(?:changes|export|logs|stats|top)", _there, cancel=True),
    Route("POST", "/containers/{id}/copy", _there, cancel=True),
    Route("POST", "/containers/{id}/resize", _there),
    # containers: the container's node + refresh
    Route("GET", "/containers/{id}/json", containers.inspect, cancel=True),
    Route("POST", "/containers/{id}/exec", containers.exec_create),
    Route("POST", "/containers/{id}/rename", containers.rename),
    Route("POST", "/containers/{id}/wait", _there_then_refresh, cancel=True),
    Route("POST", "/containers/{id}/(?:start|stop|restart|kill|pause|unpause|update)", _there_then_refresh),
    Route("DELETE", "/containers/{id}", _there_then_refresh),
    Route("POST", "/commit", containers.commit),
    # exec
    Route("POST", "/exec/{id}/start", containers.exec_start, cancel=True),
    Route("POST", "/exec/{id}/resize", containers.exec_plain),
    Route("GET", "/exec/{id}/json", containers.exec_plain, cancel=True),
    # images: aggregated, all nodes
    Route("GET", "/images/json", images.list_, cancel=True),
    Route("POST", "/images/create", images.create, cancel=True),
    Route("POST", "/images/load", images.load, cancel=True),
    Route("POST", "/images/prune", system.prune),
    # images: any node
    Route("GET", "/images/search", system.on_any, cancel=True),
    Route("GET", "/distribution/{name}/json", system.on_any, cancel=True),
    Route("POST", "/auth", system.on_any),
    # images: the image's node
    Route("GET", "/images/get", images.get_many, cancel=True),
    Route("GET", "/images/{name}/(?:json|history|get)", images.on_holder, cancel=True),
    Route("POST", "/images/{name}/push", images.on_holder, cancel=True),
    # images: all holders
    Route("POST", "/images/{name}/tag", images.tag),
    Route("DELETE", "/images/{name}", images.remove),
    # build: scheduled
    Route("POST", "/build", build.build, cancel=True),
    Route("POST", "/build/prune", system.prune),
    Route("POST", "/build/cancel", system.on_any),
    Route("POST", "/(?:session|grpc)", system.session, cancel=True),
    # networks
    Route("GET", "/networks", networks.list_, cancel=True),
    Route("POST", "/networks/create", networks.create),
    Route("POST", "/networks/prune", system.prune),
    Route("POST", "/networks/{id}/(?:connect|disconnect)", networks.connect),
    Route("GET", "/networks/{id}", networks.inspect, cancel=True),
    Route("DELETE", "/networks/{id}", networks.remove),
    # volumes
    Route("GET", "/volumes", volumes.list_, cancel=True),
    Route("POST", "/volumes/create", volumes.create),
    Route("POST", "/volumes/prune", system.prune),
    Route("GET", "/volumes/{name}", volumes.inspect, cancel=True),
    Route("DELETE", "/volumes/{name}", volumes.remove),
    # the rest
    Route("GET", "/system/df", system.disk_usage, cancel=True),
    Route("GET", "/plugins(?:/.+)?", system.on_any, cancel=True),
    Route(
        "GET HEAD POST DELETE", "/(?:swarm|nodes|services|tasks|secrets|configs)(?:/.*)?", system.no_services
    ),
)


def match(method: str, path: str) -> tuple[Route, re.Match[str]] | None:
    """The row for a request; path: encoded, without the version."""
    for route in ROUTES:
        found = route.regexp.fullmatch(path) if method in route.methods.split() else None
        if found is not None:
            return route, found
    return None
