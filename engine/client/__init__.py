"""Async client of the Docker Engine API, for dockerd and for ours.

    async with DockerClient.from_env() as docker:
        for container in await docker.json("GET", "/containers/json"):
            print(container["Id"])

The names below are imported on use: a command line that only prints its help should not pay the
100 ms that aiohttp takes.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.client.client import DockerClient
    from engine.client.config import DEFAULT_HOST, Endpoint, TLSConfig, endpoint_from_env
    from engine.client.http import Response
    from engine.client.upgrade import HijackedStream

_HOMES = {
    "DEFAULT_HOST": "config",
    "DockerClient": "client",
    "Endpoint": "config",
    "HijackedStream": "upgrade",
    "Response": "http",
    "TLSConfig": "config",
    "endpoint_from_env": "config",
}

__all__ = [
    "DEFAULT_HOST",
    "DockerClient",
    "Endpoint",
    "HijackedStream",
    "Response",
    "TLSConfig",
    "endpoint_from_env",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
