"""The client against a small server of the test's own: statuses, streams, hijacked connections."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from engine import errdefs
from engine.api import stdcopy
from engine.api.hijack import hijack
from engine.client import DockerClient, Endpoint, TLSConfig, endpoint_from_env
from engine.client.client import encode_params
from engine.client.http import unreachable
from machine import certs


async def _attach(request: web.Request) -> web.StreamResponse:
    if request.match_info["id"] == "missing":
        return web.json_response({"message": "No such container: missing"}, status=404)
    connection = await hijack(request)
    while line := await connection.reader.readline():
        connection.writer.write(stdcopy.frame(stdcopy.STDOUT, line.upper()))
        await connection.writer.drain()
    connection.writer.write(stdcopy.frame(stdcopy.STDERR, b"bye"))
    return connection.response


async def _events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for part in (b'{"a":1}\n{"b"', b":2}\n", b'{"c":3}'):
        await response.write(part)
        await asyncio.sleep(0)
    return response


async def _echo(request: web.Request) -> web.Response:
    return web.json_response({"path": request.raw_path, "body": (await request.read()).decode()})


async def _fail(request: web.Request) -> web.Response:
    return web.json_response({"message": "told you"}, status=int(request.match_info["status"]))


@pytest.fixture
async def docker(tmp_path: Path) -> AsyncIterator[DockerClient]:
    app = web.Application()
    app.add_routes(
        [
            web.post("/containers/{id}/attach", _attach),
            web.get("/events", _events),
            web.post("/echo", _echo),
            web.get("/fail/{status}", _fail),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "s")).start()
    async with DockerClient(f"unix://{tmp_path}/s") as client:
        yield client
    await runner.cleanup()


async def test_a_hijacked_connection_carries_both_directions_and_half_close(docker: DockerClient) -> None:
    stream = await docker.hijack("POST", "/containers/x/attach", params={"stream": True})
    assert stream.status == 101
    stream.writer.write(b"hello\nworld\n")
    stream.write_eof()
    frames = []
    while batch := await stream.demultiplex():
        frames += batch
    assert frames == [(1, b"HELLO\n"), (1, b"WORLD\n"), (2, b"bye")]
    await stream.close()


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[DockerClient]:
    """The same server behind TLS."""
    ca = certs.bootstrap(tmp_path, "test")
    certs.server(ca, "test", ["127.0.0.1"]).write(tmp_path / "server.pem", tmp_path / "server-key.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server-key.pem")
    app = web.Application()
    app.add_routes([web.post("/containers/{id}/attach", _attach)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    async with DockerClient(f"tcp://127.0.0.1:{port}", TLSConfig.from_directory(tmp_path)) as client:
        yield client
    await runner.cleanup()


async def test_half_close_works_over_tls_in_both_directions(secure: DockerClient) -> None:
    stream = await secure.hijack("POST", "/containers/x/attach")
    stream.writer.write(b"word\n" * 50_000)
    stream.write_eof()
    received = b""
    while batch := await stream.demultiplex():
        received += b"".join(data for _, data in batch)
    assert received == b"WORD\n" * 50_000 + b"bye"
    await stream.close()


async def test_a_connection_is_hijacked_a_hundred_times_without_leaving_a_handler(
    docker: DockerClient,
) -> None:
    for _ in range(100):
        stream = await docker.hijack("POST", "/containers/x/attach")
        stream.write_eof()
        assert await stream.demultiplex() == [(2, b"bye")]
        assert await stream.demultiplex() == []
        await stream.close()


async def test_a_refused_hijack_raises_what_the_server_said(docker: DockerClient) -> None:
    with pytest.raises(errdefs.NotFound, match="No such container: missing"):
        await docker.hijack("POST", "/containers/missing/attach")


async def test_json_values_of_a_stream_arrive_whatever_the_chunks(docker: DockerClient) -> None:
    assert [event async for event in docker.stream("GET", "/events")] == [{"a": 1}, {"b": 2}, {"c": 3}]


async def test_parameters_are_sent_as_docker_encodes_them(docker: DockerClient) -> None:
    answer = await docker.json(
        "POST", "/echo", params={"all": True, "n": None, "filters": {"name": ["a b"]}}, json={"k": 1}
    )
    assert answer["body"] == '{"k":1}'
    assert answer["path"] == "/echo?all=1&filters=%7B%22name%22%3A%5B%22a%20b%22%5D%7D"


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (400, errdefs.InvalidParameter),
        (404, errdefs.NotFound),
        (409, errdefs.Conflict),
        (418, errdefs.InvalidParameter),
        (500, errdefs.SystemFailure),
        (503, errdefs.Unavailable),
        (502, errdefs.SystemFailure),
    ],
)
async def test_statuses_become_errors(docker: DockerClient, status: int, cls: type[Exception]) -> None:
    with pytest.raises(cls, match="told you"):
        await docker.json("GET", f"/fail/{status}")


async def test_a_missing_engine_is_unavailable_with_dockers_sentence(tmp_path: Path) -> None:
    sentence = (
        f"Cannot connect to the Docker daemon at unix://{tmp_path}/nobody. Is the docker daemon running? "
        "(No such file or directory)"
    )
    async with DockerClient(f"unix://{tmp_path}/nobody") as client:
        with pytest.raises(errdefs.Unavailable) as caught:
            await client.ping()
        assert str(caught.value) == sentence
        with pytest.raises(errdefs.Unavailable) as caught:
            await client.hijack("POST", "/containers/x/attach")
        assert str(caught.value) == sentence


def test_a_socket_one_may_not_open_is_told_apart_from_a_missing_engine() -> None:
    error = unreachable(
        Endpoint.parse("unix:///run/x.sock"), PermissionError(errno.EACCES, "Permission denied")
    )
    assert str(error).startswith("permission denied while trying to connect")
    assert "unix:///run/x.sock" in str(error)


def test_lists_repeat_the_key() -> None:
    assert encode_params({"t": ["a:1", "b:2"]}) == [("t", "a:1"), ("t", "b:2")]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("unix:///run/x.sock", Endpoint("unix", path="/run/x.sock")),
        ("/run/x.sock", Endpoint("unix", path="/run/x.sock")),
        ("tcp://10.0.0.1", Endpoint("tcp", host="10.0.0.1", port=2375)),
        ("10.0.0.1:99", Endpoint("tcp", host="10.0.0.1", port=99)),
        ("tcp://[::1]:2375", Endpoint("tcp", host="::1", port=2375)),
    ],
)
def test_hosts_are_parsed(host: str, expected: Endpoint) -> None:
    assert Endpoint.parse(host) == expected


@pytest.mark.parametrize("host", ["unix://", "ftp://x", "tcp://h:notaport", "tcp://"])
def test_bad_hosts_are_refused(host: str) -> None:
    with pytest.raises(errdefs.InvalidParameter, match="invalid host"):
        Endpoint.parse(host)


def test_the_environment_names_endpoint_and_certificates(tmp_path: Path) -> None:
    env = {"DOCKER_HOST": "tcp://h", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    endpoint = endpoint_from_env(env)
    assert (endpoint.port, endpoint.base_url) == (2376, "https://h:2376")
    assert endpoint.tls is not None
    assert endpoint.tls.ca == tmp_path / "ca.pem"


def test_an_unreadable_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not pem")
    with pytest.raises(errdefs.InvalidParameter, match=r"could not load CA certificate .*ca\.pem"):
        TLSConfig.from_directory(tmp_path).context()
