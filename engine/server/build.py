"""/build: the classic builder's endpoint."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Any

from aiohttp import web

from engine.build.options import BuildOptions
from engine.daemon import build as builds
from engine.daemon.engine import Engine
from engine.errdefs import InvalidParameter, Unsupported
from engine.server import params, respond
from engine.server.bodystream import body_file
from engine.server.routes import Request, Route

# query parameter → HostConfig of RUN's containers
_NUMBERS = {
    "memory": "Memory",
    "memswap": "MemorySwap",
    "cpushares": "CpuShares",
    "cpuperiod": "CpuPeriod",
    "cpuquota": "CpuQuota",
    "shmsize": "ShmSize",
}
_TEXTS = {"cpusetcpus": "CpusetCpus", "cpusetmems": "CpusetMems", "cgroupparent": "CgroupParent"}


async def build(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /build."""
    options = _options(request)
    async with respond.JsonLines(request) as out:
        await builds.build(
            engine, options, body_file(request), out.send, build_id=params.text(request, "buildid")
        )
    return out.response


def _options(request: Request) -> BuildOptions:
    if params.text(request, "version") == "2":
        raise Unsupported("this engine has no BuildKit: build with DOCKER_BUILDKIT=0")
    if params.text(request, "remote"):
        raise Unsupported("remote contexts are not supported: send the context with the request")
    if params.boolean(request, "squash"):
        raise InvalidParameter("squash is only supported with experimental mode")
    return BuildOptions(
        dockerfile=params.text(request, "dockerfile"),
        tags=[tag for tag in request.query.getall("t", []) if tag],
        build_args=_json(request, "buildargs", dict[str, str | None]),
        labels=_json(request, "labels", dict[str, str]),
        target=params.text(request, "target"),
        platform=params.text(request, "platform").lower(),
        use_cache=not params.boolean(request, "nocache"),
        cache_from=_json(request, "cachefrom", list[str]),
        pull=params.boolean(request, "pull"),
        quiet=params.boolean(request, "q"),
        network_mode=params.text(request, "networkmode") or "default",
        host_config=_host_config(request),
        registry_auth=_registry_auth(request),
    )


def _registry_auth(request: Request) -> dict[str, Any]:
    """The X-Registry-Config header: base64 of a JSON object, registry → AuthConfig."""
    value = request.headers.get("X-Registry-Config", "")
    try:
        # Clients differ in the alphabet and in the padding.
        raw = base64.b64decode(value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4))
        return params.decode(raw, dict[str, Any]) if raw else {}
    except (binascii.Error, InvalidParameter) as exc:
        raise InvalidParameter("invalid X-Registry-Config header: not base64-encoded JSON") from exc


def _json(request: Request, name: str, kind: type[Any]) -> Any:
    """A parameter that holds JSON; absent, empty and null are an empty one."""
    value = request.query.get(name)
    if not value or value == "null":
        return kind()
    try:
        return params.decode(value, kind)
    except InvalidParameter as exc:
        raise InvalidParameter(f"error reading {name}: {exc}") from exc


def _host_config(request: Request) -> dict[str, Any]:
    host: dict[str, Any] = {}
    for name, key in _NUMBERS.items():
        if number := params.integer(request, name):
            host[key] = number
    for name, key in _TEXTS.items():
        if text := params.text(request, name):
            host[key] = text
    if ulimits := _json(request, "ulimits", list[dict[str, Any]]):
        host["Ulimits"] = ulimits
    if hosts := [entry for entry in request.query.getall("extrahosts", []) if entry]:
        host["ExtraHosts"] = hosts
    if security := _json(request, "securityopt", list[str]):
        host["SecurityOpt"] = security
    return host


async def cancel(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /build/cancel."""
    build_id = params.text(request, "id")
    if not build_id:
        raise InvalidParameter("build ID not provided")
    builds.cancel(engine, build_id)
    return respond.empty(200)


async def prune(request: Request, engine: Engine) -> web.StreamResponse:
    """POST /build/prune."""
    deleted, freed = await asyncio.to_thread(builds.prune, engine)
    return respond.json({"CachesDeleted": deleted, "SpaceReclaimed": freed})


ROUTES = (
    Route("POST", "/build", build, cancel=True),
    Route("POST", "/build/prune", prune, since="1.31"),
    Route("POST", "/build/cancel", cancel, since="1.39"),
)
