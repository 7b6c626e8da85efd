"""Debian's docker-registry on loopback, and image stores of our own."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from engine.db import Database
from engine.driverapi.registry import load
from engine.image import make
from engine.image.distribution import Distribution
from engine.image.pull import pull
from engine.image.push import push
from engine.image.reference import parse
from engine.image.store import Image, ImageStore
from engine.layer.store import LayerStore
from engine.registry.auth import Credentials
from engine.registry.endpoints import RegistryOptions
from tests.unit.layer.archives import Member, directory, symlink, tar

_CONFIG = """
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {root}/data}}, delete: {{enabled: true}}}}
http: {{addr: 127.0.0.1:{port}}}
{auth}
"""
_AUTH = """
auth: {{htpasswd: {{realm: test, path: {root}/htpasswd}}}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _serve(root: Path, *, password: str = "") -> Iterator[str]:
    port = free_port()
    auth = ""
    if password:
        line = "me:" + bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
        (root / "htpasswd").write_text(line + "\n")
        auth = _AUTH.format(root=root)
    (root / "config.yml").write_text(_CONFIG.format(root=root, port=port, auth=auth))
    with open(root / "log", "wb") as log:
        server = subprocess.Popen(["docker-registry", "serve", root / "config.yml"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert server.poll() is None, (root / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    root = tmp_path / "registry"
    root.mkdir()
    yield from _serve(root)


@pytest.fixture
def private_registry(tmp_path: Path) -> Iterator[str]:
    root = tmp_path / "private"
    root.mkdir()
    yield from _serve(root, password="secret")


@dataclass
class Host:
    """An image store with what a pull and a push need, as one engine has them."""

    store: ImageStore
    layers: LayerStore
    root: Path
    options: RegistryOptions

    def pull(self, name: str, auth: Credentials | None = None, platform: str = "") -> tuple[Image, list[Any]]:
        messages: list[Any] = []

        async def work() -> str:
            ctx = Distribution(self.store, self.options)
            return await pull(parse(name), auth, platform, ctx, messages.append)

        return self.store.get(asyncio.run(work())), messages

    def push(self, name: str, auth: Credentials | None = None) -> list[Any]:
        messages: list[Any] = []

        async def work() -> None:
            await push(parse(name), auth, Distribution(self.store, self.options), messages.append)

        asyncio.run(work())
        return messages

    def files(self, image: Image) -> dict[str, str]:
        """The image's files and their text, as a container would find them."""
        self.layers.create_rw("look", image.chain_id)
        root = self.layers.mount_rw("look")
        try:
            return {
                str(path.relative_to(root)): path.read_text()
                for path in sorted(root.rglob("*"))
                if path.is_file() and not path.is_symlink() and path.stat().st_size
            }
        finally:
            self.layers.unmount_rw("look")
            self.layers.remove_rw("look")


@pytest.fixture
def make_host(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    hosts: list[tuple[Database, Path]] = []

    def maker(options: RegistryOptions | None = None, root: Path | None = None) -> Host:
        place = root or tmp_path / f"host{len(hosts)}"
        place.mkdir(exist_ok=True)
        database = Database(place / "engine.db")
        hosts.append((database, place))
        layers = LayerStore(place / "layers", database, load("graph", "overlay2")(place / "overlay2", {}))
        return Host(ImageStore(place, database, layers), layers, place, options or RegistryOptions())

    yield maker
    for database, place in hosts:
        database.close()
        with open("/proc/self/mountinfo") as lines:
            left = [line.split(" ")[4] for line in lines if line.split(" ")[4].startswith(f"{place}/")]
        for target in left:
            subprocess.run(["umount", "-l", target], check=True)
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def host(make_host: Callable[..., Host]) -> Host:
    return make_host()


def three_layers(host: Host, name: str) -> Image:
    """An image of three layers with a deletion in it, tagged `name`."""
    base = make.import_tar(
        host.store,
        io.BytesIO(
            tar(directory("etc"), Member("etc/passwd", b"root"), Member("etc/old", b"o"), symlink("l", "etc"))
        ),
    )
    host.layers.create_rw("c", base.chain_id)
    root = host.layers.mount_rw("c")
    (root / "etc/old").unlink()
    (root / "big").write_bytes(os.urandom(300_000).hex().encode())
    host.layers.unmount_rw("c")
    second = make.commit(host.store, "c", base, {"Cmd": ["sh"], "Env": ["A=1"]}, consume=True)
    host.layers.create_rw("c", second.chain_id)
    (host.layers.mount_rw("c") / "third").write_text("3")
    host.layers.unmount_rw("c")
    image = make.commit(host.store, "c", second, {"Cmd": ["sh"], "Env": ["A=1"]}, consume=True)
    host.store.tag(image.id, name)
    return image


def skopeo(*arguments: str | Path) -> str:
    done = subprocess.run(
        ["skopeo", "--insecure-policy", *map(str, arguments)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
