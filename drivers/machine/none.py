"""An engine that is there already, known by its URL alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from engine.client import Endpoint
from engine.errdefs import InvalidParameter
from machine.driver import Flag, State


class NoneDriver:
    """Keeps a URL; nothing is made, provisioned or removed."""

    driver_name: ClassVar[str] = "none"
    flags: ClassVar[tuple[Flag, ...]] = (Flag("url", "URL of the engine", "MACHINE_URL", required=True),)

    def __init__(self, name: str, directory: Path, state: dict[str, Any]) -> None:
        self.state = state

    @classmethod
    def configure(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """The URL must be one that a client can use."""
        if not options.get("url"):
            raise InvalidParameter("--url is required when no driver makes the host")
        endpoint = Endpoint.parse(options["url"])
        return {"URL": options["url"], "IPAddress": endpoint.host}

    async def pre_create_check(self) -> None:
        """Nothing to check."""

    async def create(self) -> None:
        """Nothing to make."""

    async def remove(self) -> None:
        """Nothing to remove."""

    async def host_state(self) -> State:
        """Unknown: there is no host to ask."""
        return State.NONE

    def ssh(self) -> None:
        """No way in."""
        return

    def url(self) -> str:
        """As given."""
        return str(self.state["URL"])
