"""The host's own network: a container uses the daemon's namespace, nothing is made."""

from __future__ import annotations

from pathlib import Path

from engine.driverapi.network import EndpointSpec, NetworkSpec
from engine.network.context import DriverContext


class HostDriver:
    """Network `host`."""

    name = "host"

    def __init__(self, context: DriverContext) -> None:
        del context

    def create_network(self, network: NetworkSpec) -> None:
        """Nothing to make."""

    def delete_network(self, network: NetworkSpec) -> None:
        """Nothing to remove."""

    def join(self, network: NetworkSpec, endpoint: EndpointSpec, sandbox: Path) -> None:
        """Nothing to add."""

    def leave(self, network: NetworkSpec, endpoint: EndpointSpec, *, ending: bool = False) -> None:
        """Nothing to take away."""
