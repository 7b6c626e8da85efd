"""A host for network tests: a controller over the real kernel, and traffic between namespaces."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from engine.db import Database
from engine.linux import netlink, netns
from engine.network.config import NetworkConfig
from engine.network.controller import NetworkController
from engine.network.model import ContainerNet, Sandbox

T = TypeVar("T")

OUTSIDE = "198.51.100.2"  # the other host's address
HERE = "198.51.100.1"


class Recorder:
    """An event bus that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str, dict[str, str]]] = []

    def publish(self, type: str, action: str, actor_id: str, attributes: Mapping[str, str]) -> None:
        self.events.append((type, action, actor_id, dict(attributes)))

    def actions(self) -> list[str]:
        return [action for _, action, _, _ in self.events]


class Lab:
    """This process's own host, with another one beside it (namespace `outside`)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.outside = directory / "outside"
        self.events = Recorder()
        self.options: dict[str, Any] = {}
        self._number = 0

    async def set_up(self) -> None:
        netns_up()
        netns.create(str(self.outside))
        self._wire_outside()
        await self.start()

    def _wire_outside(self) -> None:
        with netlink.NetlinkSocket() as here:
            # A bridge with one port stands for the link between the two hosts.
            here.execute(*netlink.bridge("uplink", mac="02:00:00:00:00:01", mtu=1500))
            link = here.link("uplink")
            assert link is not None
            here.execute(netlink.address_add(link.index, f"{HERE}/24"))
            fd = os.open(self.outside, os.O_RDONLY)
            messages = netlink.veth(
                "wire",
                "eth0",
                peer_ns=fd,
                peer_mac="02:00:00:00:00:02",
                mtu=1500,
                master=link.index,
                isolated=False,
            )
            here.execute(*messages)
            os.close(fd)
        with netns.run_in(str(self.outside), netlink.NetlinkSocket) as there:
            link = there.link("eth0")
            assert link is not None
            there.execute(netlink.address_add(link.index, f"{OUTSIDE}/24"), netlink.link_up(link.index))

    async def start(self, **options: Any) -> None:
        self.options = options or self.options
        self.db = Database(self.directory / "engine.db")
        config = NetworkConfig(self.directory / "exec", **self.options)
        self.networks = NetworkController(config, self.db, self.events)
        await self.networks.open()

    async def stop(self) -> None:
        await self.networks.close()
        self.db.close()

    async def restart(self, running: list[str], **options: Any) -> None:
        await self.stop()
        await self.start(**options)
        await self.networks.restore(running)

    async def tear_down(self) -> None:
        await self.stop()
        netns.remove(str(self.outside))
        directory = self.directory / "exec" / "netns"
        for path in directory.iterdir():
            netns.remove(str(path))
        netns.release_directory(str(directory))

    def container(self, name: str = "", **options: Any) -> ContainerNet:
        self._number += 1
        id = f"{self._number:064x}"[::-1]
        return ContainerNet(id, name or f"c{self._number}", hostname=id[:12], **options)

    async def attach(self, name: str = "", **options: Any) -> tuple[ContainerNet, Sandbox]:
        container = self.container(name, **options)
        return container, await self.networks.attach(container)


def netns_up() -> None:
    """lo of a fresh network namespace."""
    with netlink.NetlinkSocket() as sock:
        link = sock.link("lo")
        assert link is not None
        sock.execute(netlink.link_up(link.index))


def address(sandbox: Sandbox, network: str = "bridge") -> str:
    text = sandbox.networks[network]["IPAddress"]
    assert isinstance(text, str)
    return text


def inside(path: Path | None, function: Callable[[], T]) -> T:
    """Call in a sandbox; None is this host."""
    return function() if path is None else netns.run_in(str(path), function)


@contextmanager
def server(path: Path | None, port: int, *, kind: int = socket.SOCK_STREAM, host: str = "0.0.0.0") -> Any:
    """A server that answers every client with the address it came from."""

    def make() -> socket.socket:
        sock = socket.socket(socket.AF_INET, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        sock.setblocking(False)
        return sock

    sock = inside(path, make)
    loop = asyncio.get_running_loop()

    async def serve() -> None:
        while True:
            if kind == socket.SOCK_STREAM:
                client, peer = await loop.sock_accept(sock)
                await loop.sock_sendall(client, peer[0].encode())
                client.close()
            else:
                _, peer = await loop.sock_recvfrom(sock, 100)
                await loop.sock_sendto(sock, peer[0].encode(), peer)

    task = asyncio.ensure_future(serve())
    try:
        yield
    finally:
        task.cancel()
        sock.close()


async def ask(
    path: Path | None, host: str, port: int, *, kind: int = socket.SOCK_STREAM, timeout: float = 4.0
) -> str | None:
    """Connect from a sandbox and read the answer; None if nobody answers."""

    def make() -> socket.socket:
        sock = socket.socket(socket.AF_INET, kind)
        sock.setblocking(False)
        return sock

    sock = inside(path, make)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            await loop.sock_connect(sock, (host, port))
            if kind == socket.SOCK_STREAM:
                return (await loop.sock_recv(sock, 100)).decode()
            while True:  # a datagram may get lost while links come up
                await loop.sock_sendall(sock, b"?")
                try:
                    return (await asyncio.wait_for(loop.sock_recv(sock, 100), 0.3)).decode()
                except TimeoutError:
                    continue
    except (OSError, TimeoutError):
        return None
    finally:
        sock.close()


async def silent(path: Path | None, host: str, port: int) -> bool:
    """Whether nobody answers there."""
    return await ask(path, host, port, timeout=0.7) is None
