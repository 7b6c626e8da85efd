"""A manager over fake engines, all in the test's own event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.client import DockerClient
from swarm.cluster.config import ClusterConfig
from swarm.discovery import FileDiscovery
from swarm.manage import Manager, ManagerConfig, running
from tests.integration.swarm.fake import FakeEngine


async def until(condition: Callable[[], Any], patience: float = 20.0) -> Any:
    """Wait for something to become true, and give it back."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come true"
        await asyncio.sleep(0.02)
    return value


@dataclass
class Lab:
    """engines by name, the manager over them, and a client of the manager."""

    directory: Path
    manager: Manager
    docker: DockerClient
    engines: dict[str, FakeEngine] = field(default_factory=dict)

    @property
    def view(self) -> Any:
        return self.manager.cluster.view

    def tell_discovery(self) -> None:
        """Write the file of nodes anew."""
        text = "".join(f"{e.addr}\n" for e in self.engines.values())
        (self.directory / "nodes").write_text(text)

    async def healthy(self, *names: str) -> None:
        """Wait until exactly these are."""
        await until(lambda: [n.name for n in self.view.healthy] == sorted(names))

    async def create(self, name: str = "", *env: str, image: str = "busybox", **body: Any) -> dict[str, Any]:
        return await self.docker.container_create(
            {"Image": image, "Env": list(env), **body}, name=name or None
        )

    async def run(self, name: str = "", *env: str, **body: Any) -> str:
        made = await self.create(name, *env, **body)
        await self.docker.json("POST", f"/containers/{made['Id']}/start")
        return str(made["Id"])

    async def names(self, **params: Any) -> list[str]:
        listed = await self.docker.json("GET", "/containers/json", params={"all": True, **params})
        return sorted(name for c in listed for name in c["Names"])


class Labs:
    """Builds labs, and takes them down at the end of the test."""

    def __init__(self, directory: Path, stack: AsyncExitStack) -> None:
        self._directory = directory
        self._stack = stack

    async def __call__(
        self, *engines: FakeEngine | str, names: tuple[str, ...] | None = None, **config: Any
    ) -> Lab:
        made = {e.name: e for e in (FakeEngine(e) if isinstance(e, str) else e for e in engines)}
        for engine in made.values():
            await engine.start()
            self._stack.push_async_callback(engine.stop)
        path = self._directory / "nodes"
        path.write_text("".join(f"{e.addr}\n" for e in made.values()))
        settings = {"ping_interval": 0.25, **config}
        manager_config = ManagerConfig(
            ClusterConfig(**settings), hosts=(f"unix://{self._directory}/swarm.sock", "tcp://127.0.0.1:0")
        )
        manager = await self._stack.enter_async_context(running(manager_config, FileDiscovery(path)))
        docker = await self._stack.enter_async_context(DockerClient(manager.addresses[0]))
        lab = Lab(self._directory, manager, docker, made)
        for engine in made.values():  # they end first, so that no monitor waits for a silent one
            self._stack.callback(engine.resume)
        if names is None:
            await lab.healthy(*made)
        return lab


@pytest.fixture
async def labs(tmp_path: Path) -> AsyncIterator[Labs]:
    """``lab = await labs("n1", "n2")``: a manager over healthy fake engines of these names."""
    async with AsyncExitStack() as stack:
        yield Labs(tmp_path, stack)
