"""The manager: a cluster fed by a discovery, served on the addresses asked for."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from engine.client import Endpoint, TLSConfig
from engine.errdefs import DockyardError, InvalidParameter, SystemFailure
from scheduler.errors import UnknownPlugin
from swarm.cluster.cluster import Cluster
from swarm.cluster.config import ClusterConfig
from swarm.discovery import Discovery
from swarm.proxy.app import make_app

log = logging.getLogger(__name__)

_DISCOVERY_RETRY = 2.0
_SHUTDOWN = 5.0


@dataclass(frozen=True, slots=True)
class ManagerConfig:
    """hosts: where to listen (unix://PATH, tcp://HOST:PORT). tls: for listening; verify asks for client
    certificates."""

    cluster: ClusterConfig
    hosts: tuple[str, ...] = ("tcp://127.0.0.1:2375",)
    tls: TLSConfig | None = None
    cors: bool = False


async def manage(config: ManagerConfig, discovery: Discovery) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    async with running(config, discovery) as manager:
        log.info("listening on %s", ", ".join(manager.addresses))
        await stop.wait()
        log.info("stopping")


@dataclass(frozen=True, slots=True)
class Manager:
    """A running manager. addresses: where it listens, with the ports that were chosen for port 0."""

    cluster: Cluster
    addresses: tuple[str, ...]


@asynccontextmanager
async def running(config: ManagerConfig, discovery: Discovery) -> AsyncIterator[Manager]:
    """A manager that serves inside the block."""
    try:
        cluster = Cluster(config.cluster)
    except UnknownPlugin as exc:
        raise InvalidParameter(str(exc)) from exc
    async with AsyncExitStack() as stack:
        stack.push_async_callback(cluster.close)
        feeding = asyncio.create_task(_feed(cluster, discovery))
        stack.push_async_callback(_end, feeding)
        runner = web.AppRunner(
            make_app(cluster, cors=config.cors), handler_cancellation=True, access_log=None,
            shutdown_timeout=_SHUTDOWN,
        )  # fmt: skip
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.callback(cluster.view.events.close)
        addresses = [await _listen(runner, host, config.tls) for host in config.hosts]
        stack.callback(_remove_sockets, addresses)
        yield Manager(cluster, tuple(addresses))


async def _feed(cluster: Cluster, discovery: Discovery) -> None:
    """Pass on what the discovery says, again and again if it fails."""
    while True:
        try:
            async for addresses in discovery.watch():
                log.info("discovery names %d nodes", len(addresses))
                await cluster.set_addresses(addresses)
            return
        except DockyardError as exc:
            log.error("discovery failed, trying again: %s", exc)
            await asyncio.sleep(_DISCOVERY_RETRY)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _listen(runner: web.AppRunner, host: str, tls: TLSConfig | None) -> str:
    endpoint = Endpoint.parse(host)
    try:
        if endpoint.scheme == "unix":
            path = Path(endpoint.path)
            _remove_stale(path)
            await web.UnixSite(runner, path).start()
            path.chmod(0o660)
            return f"unix://{path}"
        site = web.TCPSite(
            runner, endpoint.host, _port(host, endpoint), ssl_context=server_context(tls) if tls else None
        )
        await site.start()
    except OSError as exc:
        raise SystemFailure(f"cannot listen on {host}: {exc.strerror or exc}") from exc
    port = runner.addresses[-1][1]
    return f"tcp://{endpoint.host}:{port}"


def _remove_sockets(addresses: list[str]) -> None:
    for address in addresses:
        if address.startswith("unix://"):
            Path(address.removeprefix("unix://")).unlink(missing_ok=True)


def _port(host: str, endpoint: Endpoint) -> int:
    return 0 if host.endswith(":0") else endpoint.port


def _remove_stale(path: Path) -> None:
    """A socket that a manager left behind; anything else at that path is an error of listening."""
    if path.is_socket():
        path.unlink()


def server_context(tls: TLSConfig) -> ssl.SSLContext:
    """TLS 1.2 or newer; with `verify`, only clients with a certificate of the CA."""
    if tls.cert is None or tls.key is None:
        raise InvalidParameter("TLS needs --tlscert and --tlskey")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.cert, tls.key)
        if tls.verify:
            if tls.ca is None:
                raise InvalidParameter("--tlsverify needs --tlscacert")
            context.load_verify_locations(tls.ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as exc:
        raise InvalidParameter(f"cannot use the TLS files {tls.cert}, {tls.key}, {tls.ca}: {exc}") from exc
    return context
