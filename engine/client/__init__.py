"""Async client of the Docker Engine API, for dockerd and for ours.

async with DockerClient.from_env() as docker:
    for container in await docker.json("GET", "/containers/json"):
        print(container["Id"])
"""

from engine.client.client import DockerClient
from engine.client.config import DEFAULT_HOST, Endpoint, TLSConfig, endpoint_from_env
from engine.client.http import Response
from engine.client.upgrade import HijackedStream

__all__ = [
    "DEFAULT_HOST",
    "DockerClient",
    "Endpoint",
    "HijackedStream",
    "Response",
    "TLSConfig",
    "endpoint_from_env",
]
