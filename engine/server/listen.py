"""Where the daemon listens: unix sockets and TCP, with TLS where asked for.

A unix socket belongs to root and the docker group, mode 0660. One that a dead daemon left behind
is replaced, one that answers is refused.
"""

from __future__ import annotations

import asyncio
import errno
import grp
import logging
import os
import socket
import ssl
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.daemon.config import DaemonConfig
from engine.errdefs import Conflict, InvalidParameter, SystemFailure

log = logging.getLogger(__name__)

BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """``unix:///path``."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """``tcp://host:port``; an empty host is every address."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(host: str, *, tls: bool) -> UnixAddress | TcpAddress:
    """A -H value. The port defaults to 2376 with TLS and 2375 without, the host to localhost."""
    scheme, _, rest = host.partition("://")
    if scheme == "unix":
        return UnixAddress(Path(rest or "/run/pydocker.sock"))
    if scheme != "tcp":
        raise InvalidParameter(f"Invalid bind address format: {host}")
    name, colon, port = rest.rstrip("/").rpartition(":")
    if not colon or rest.rstrip("/").endswith("]"):
        name, port = rest.rstrip("/"), ""
    if port and not (port.isdigit() and int(port) < 65536):
        raise InvalidParameter(f"Invalid bind address format: {host}: {port!r} is not a port")
    default = 2376 if tls else 2375
    return TcpAddress(name.strip("[]") or "127.0.0.1", int(port) if port else default)


def tls_context(config: DaemonConfig) -> ssl.SSLContext | None:
    """The server side of TLS as the flags want it: None without --tls and --tlsverify."""
    if not (config.tls or config.tlsverify):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.tlscert, config.tlskey)
    except (OSError, ssl.SSLError) as exc:
        raise InvalidParameter(
            f"could not load X509 key pair (cert: {config.tlscert}, key: {config.tlskey}): {exc}. "
            "Make sure the key is not encrypted and both files can be read"
        ) from exc
    if config.tlsverify:
        try:
            context.load_verify_locations(config.tlscacert)
        except (OSError, ssl.SSLError) as exc:
            raise InvalidParameter(f"could not read CA certificate {config.tlscacert}: {exc}") from exc
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def listen(
    config: DaemonConfig, protocol: Callable[[], asyncio.BaseProtocol]
) -> list[asyncio.AbstractServer]:
    """Take every address of the configuration, or none of them. Nobody is let in before `start`."""
    context = tls_context(config)
    servers: list[asyncio.AbstractServer] = []
    try:
        for host in config.hosts:
            address = parse(host, tls=context is not None)
            servers.append(await _open(address, protocol, config.group, context))
    except BaseException:
        close(servers)
        raise
    return servers


async def start(config: DaemonConfig, servers: list[asyncio.AbstractServer]) -> None:
    """Let clients in."""
    secure = config.tls or config.tlsverify
    for host, server in zip(config.hosts, servers, strict=True):
        await server.start_serving()
        log.info("API listen on %s", parse(host, tls=secure))
        if host.startswith("tcp://") and not secure:
            log.warning(
                "Binding to a TCP address without TLS gives root on this host to whoever can reach "
                "it; use --tlsverify"
            )


def close(servers: list[asyncio.AbstractServer]) -> None:
    """Let nobody in any more, and take our unix sockets out of the way."""
    for server in servers:
        paths = [
            sock.getsockname() for sock in getattr(server, "sockets", ()) if sock.family == socket.AF_UNIX
        ]
        server.close()
        for path in paths:
            Path(path).unlink(missing_ok=True)


async def _open(
    address: UnixAddress | TcpAddress,
    protocol: Callable[[], asyncio.BaseProtocol],
    group: str,
    context: ssl.SSLContext | None,
) -> asyncio.AbstractServer:
    loop = asyncio.get_running_loop()
    if isinstance(address, UnixAddress):
        sock = unix_socket(address.path, group)
        return await loop.create_unix_server(protocol, sock=sock, backlog=BACKLOG, start_serving=False)
    try:
        return await loop.create_server(
            protocol,
            address.host,
            address.port,
            ssl=context,
            backlog=BACKLOG,
            reuse_address=True,
            start_serving=False,
        )
    except OSError as exc:
        raise SystemFailure(f"failed to load listeners: listen tcp {address}: {exc.strerror}") from exc


def unix_socket(path: Path, group: str) -> socket.socket:
    """A bound unix socket, mode 0660, owned by root and `group` if there is such a group."""
    _clear(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Born without rights for others, not narrowed down afterwards.
        mask = os.umask(0o117)
        try:
            sock.bind(str(path))
        finally:
            os.umask(mask)
        os.chown(path, -1, _group_id(group))
        path.chmod(0o660)
    except OSError as exc:
        sock.close()
        raise SystemFailure(f"can't create unix socket {path}: {exc.strerror}") from exc
    return sock


def _clear(path: Path) -> None:
    """Take away a socket that nobody answers on."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise Conflict(f"can't create unix socket {path}: something that is no socket is there; move it")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        code = probe.connect_ex(str(path))
    if code not in (errno.ECONNREFUSED, errno.ENOENT):
        raise Conflict(
            f"can't create unix socket {path}: another daemon answers there; stop it or choose another -H"
        )
    path.unlink(missing_ok=True)


def _group_id(group: str) -> int:
    try:
        return int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        log.debug("there is no group %s: the socket is root's alone", group)
        return 0
