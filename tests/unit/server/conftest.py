"""An API on a unix socket, with what stores a test needs: no kernel features, no root."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from engine.daemon.config import DaemonConfig
from engine.daemon.engine import Engine
from engine.db import Database
from engine.events import EventBus
from engine.server.app import Api
from engine.server.listen import unix_socket
from engine.server.routes import Route
from engine.volume.store import VolumeStore


@pytest.fixture
def bare_engine(tmp_path: Path) -> Engine:
    """Database, events and volumes; a handler that asks for more fails."""
    db = Database(tmp_path / "engine.db")
    events = EventBus()
    missing = cast(Any, None)
    return Engine(
        id="test",
        config=DaemonConfig(data_root=tmp_path),
        db=db,
        events=events,
        graph=missing,
        layers=missing,
        images=missing,
        networks=missing,
        volumes=VolumeStore(tmp_path / "volumes", db, events),
        containers=missing,
        execution=missing,
    )


Serve = Callable[[Iterable[Route]], Any]


@pytest.fixture
def serve(bare_engine: Engine, tmp_path: Path) -> Serve:
    """``async with serve(routes) as client``: an HTTP client of an API with these routes."""

    @asynccontextmanager
    async def run(routes: Iterable[Route]) -> AsyncIterator[aiohttp.ClientSession]:
        api = Api(bare_engine, routes)
        path = tmp_path / "api.sock"
        listener = await asyncio.get_running_loop().create_unix_server(api.server, sock=unix_socket(path, ""))
        try:
            connector = aiohttp.UnixConnector(str(path))
            async with aiohttp.ClientSession("http://d", connector=connector) as client:
                yield client
        finally:
            listener.close()
            bare_engine.events.close()
            await api.stop(2.0)
            bare_engine.db.close()

    return run
