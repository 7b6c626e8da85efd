"""Versions, headers, errors and booleans, as docker's clients rely on them."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from engine import errdefs
from engine.daemon.engine import Engine
from engine.server import params, respond, swarm, system
from engine.server.routes import Request, Route
from tests.unit.server.conftest import Serve


async def echo(request: Request, engine: Engine) -> web.StreamResponse:
    return respond.json({"version": list(request.api_version), **request.variables})


ECHO = (
    Route("GET", "/containers/json", echo),
    Route("GET", "/containers/{id}/json", echo),
    Route("GET", "/images/{name:path}/json", echo),
    Route("GET", "/new", echo, since="1.40"),
)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/containers/json", {"version": [1, 50]}),
        ("/v1.41/containers/json", {"version": [1, 41]}),
        ("/v1.24/containers/abc/json", {"version": [1, 24], "id": "abc"}),
        ("/images/busybox/json", {"version": [1, 50], "name": "busybox"}),
        ("/v1.50/images/reg.io:5000/a/b:c/json", {"version": [1, 50], "name": "reg.io:5000/a/b:c"}),
        ("/v1.50/images/a%2Fb/json", {"version": [1, 50], "name": "a/b"}),
    ],
)
async def test_paths_with_and_without_a_version(serve: Serve, path: str, answer: object) -> None:
    async with serve(ECHO) as client, client.get(path) as response:
        assert response.status == 200
        assert await response.json() == answer
        assert response.headers["Api-Version"] == "1.50"
        assert response.headers["Ostype"] == "linux"
        assert response.headers["Docker-Experimental"] == "false"
        assert response.headers["Server"].startswith("Docker/")


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/nope", 404, "page not found"),
        ("GET", "/", 404, "page not found"),
        ("GET", "/v1.41", 404, "page not found"),
        ("POST", "/containers/json", 404, "page not found"),
        ("GET", "/v1.39/new", 404, "page not found"),
        (
            "GET", "/v1.99/containers/json", 400,
            "client version 1.99 is too new. Maximum supported API version is 1.50",
        ),
        (
            "GET", "/v1.12/containers/json", 400,
            "client version 1.12 is too old. Minimum supported API version is 1.24, "
            "please upgrade your client to a newer version",
        ),
    ],
)  # fmt: skip
async def test_what_is_not_there(serve: Serve, method: str, path: str, status: int, message: str) -> None:
    async with serve(ECHO) as client, client.request(method, path) as response:
        assert response.status == status
        assert await response.json() == {"message": message}
        assert response.headers["Api-Version"] == "1.50"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errdefs.InvalidParameter, 400),
        (errdefs.Unauthorized, 401),
        (errdefs.Forbidden, 403),
        (errdefs.NotFound, 404),
        (errdefs.Conflict, 409),
        (errdefs.Unsupported, 501),
        (errdefs.Unavailable, 503),
        (errdefs.DeadlineExceeded, 504),
        (errdefs.SystemFailure, 500),
        (RuntimeError, 500),
    ],
)
async def test_errors_become_statuses(serve: Serve, error: type[Exception], status: int) -> None:
    async def fail(request: Request, engine: Engine) -> web.StreamResponse:
        raise error("because")

    for method in ("GET", "POST"):
        async with serve((Route(method, "/x", fail),)) as client, client.request(method, "/x") as response:
            assert response.status == status
            assert "because" in (await response.json())["message"]


async def test_nothing_to_do_is_304_without_a_body(serve: Serve) -> None:
    async def fail(request: Request, engine: Engine) -> web.StreamResponse:
        raise errdefs.NotModified("already started")

    async with serve((Route("POST", "/x", fail),)) as client, client.post("/x") as response:
        assert response.status == 304
        assert await response.read() == b""


async def test_an_error_after_the_first_line_is_told_in_band(serve: Serve) -> None:
    async def stream(request: Request, engine: Engine) -> web.StreamResponse:
        async with respond.JsonLines(request) as out:
            await out.send({"status": "begun"})
            raise errdefs.NotFound("gone")
        return out.response

    async with serve((Route("POST", "/x", stream, cancel=True),)) as client, client.post("/x") as response:
        assert response.status == 200
        assert await response.text() == (
            '{"status":"begun"}\r\n{"errorDetail":{"message":"gone"},"error":"gone"}\r\n'
        )


async def test_an_error_before_the_first_line_is_a_status(serve: Serve) -> None:
    async def stream(request: Request, engine: Engine) -> web.StreamResponse:
        async with respond.JsonLines(request) as out:
            raise errdefs.NotFound("no such image")
        return out.response

    async with serve((Route("POST", "/x", stream, cancel=True),)) as client, client.post("/x") as response:
        assert response.status == 404


async def test_a_broken_raw_stream_breaks_the_connection(serve: Serve) -> None:
    async def stream(request: Request, engine: Engine) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        raise errdefs.SystemFailure("disk")

    async with serve((Route("GET", "/x", stream),)) as client, client.get("/x") as response:
        with pytest.raises(Exception, match=r"not completed|payload|closed"):
            await response.read()


async def test_a_change_goes_on_without_its_client_and_a_stream_does_not(serve: Serve) -> None:
    begun, changed, streamed = asyncio.Event(), asyncio.Event(), asyncio.Event()
    release = asyncio.Event()

    async def change(request: Request, engine: Engine) -> web.StreamResponse:
        begun.set()
        await release.wait()
        changed.set()
        return respond.empty()

    async def stream(request: Request, engine: Engine) -> web.StreamResponse:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            streamed.set()
        return respond.empty()

    routes = (Route("POST", "/change", change), Route("POST", "/stream", stream, cancel=True))
    async with serve(routes) as client:
        for path in ("/change", "/stream"):
            begun.clear()
            call = asyncio.ensure_future(client.post(path))
            await begun.wait()
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        await streamed.wait()
        assert not changed.is_set()
        release.set()
        await changed.wait()


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("", False), ("flag=", False), ("flag=0", False), ("flag=no", False), ("flag=FALSE", False),
        ("flag=none", False), ("flag=1", True), ("flag=true", True), ("flag=banana", True),
    ],
)  # fmt: skip
async def test_booleans_as_docker_reads_them(serve: Serve, query: str, value: bool) -> None:
    async def handler(request: Request, engine: Engine) -> web.StreamResponse:
        return respond.json(params.boolean(request, "flag"))

    async with serve((Route("GET", "/x", handler),)) as client, client.get(f"/x?{query}") as response:
        assert await response.json() is value


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (b"{", "application/json", "invalid JSON"),
        (b'{"Name": 5}', "application/json", "$.Name"),
        (b'{"Name": "x"}', "text/plain", "must be 'application/json'"),
    ],
)
async def test_bad_bodies_are_refused_naming_the_fault(
    serve: Serve, data: bytes, kind: str, message: str
) -> None:
    from engine.server import volumes

    async with serve(volumes.ROUTES) as client:
        async with client.post("/volumes/create", data=data, headers={"Content-Type": kind}) as response:
            assert response.status == 400
            assert message in (await response.json())["message"]


async def test_ping_says_what_clients_look_for(serve: Serve) -> None:
    async with serve(system.ROUTES) as client:
        async with client.head("/_ping") as response:
            assert response.status == 200
            assert response.headers["Content-Length"] == "0"
            assert response.headers["Api-Version"] == "1.50"
            assert response.headers["Builder-Version"] == "1"
            assert response.headers["Swarm"] == "inactive"
            assert "no-cache" in response.headers["Cache-Control"]
        async with client.get("/v1.30/_ping") as response:
            assert await response.text() == "OK"


async def test_the_services_api_is_a_managers(serve: Serve) -> None:
    async with serve(swarm.ROUTES) as client:
        for path in ("/swarm", "/nodes", "/services/x", "/v1.41/tasks"):
            async with client.get(path) as response:
                assert response.status == 503
                assert (await response.json())["message"].startswith("This node is not a swarm manager.")
