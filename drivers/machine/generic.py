"""A host that is there already, reached over SSH."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from engine.errdefs import InvalidParameter
from machine.driver import Flag, SSHTarget, State


class GenericDriver:
    """Adopts a host; has no power switch, and `remove` leaves the host as it is.

    The key is copied into the machine's directory, as the original does, so that the machine can still
    be reached when the user's key file moves.
    """

    driver_name: ClassVar[str] = "generic"
    flags: ClassVar[tuple[Flag, ...]] = (
        Flag("generic-ip-address", "IP address or name of the host", "GENERIC_IP_ADDRESS", required=True),
        Flag("generic-engine-port", "port of the engine", "GENERIC_ENGINE_PORT", 2376),
        Flag("generic-ssh-user", "user to log in as", "GENERIC_SSH_USER", "root"),
        Flag("generic-ssh-key", "private key file (default: the agent's keys)", "GENERIC_SSH_KEY"),
        Flag("generic-ssh-port", "port of the SSH server", "GENERIC_SSH_PORT", 22),
    )

    def __init__(self, name: str, directory: Path, state: dict[str, Any]) -> None:
        self._directory = directory
        self.state = state

    @classmethod
    def configure(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """docker-machine's field names, so that its machines can be read."""
        if not options.get("generic-ip-address"):
            raise InvalidParameter("generic driver requires the --generic-ip-address option")
        return {
            "IPAddress": options["generic-ip-address"],
            "EnginePort": int(options["generic-engine-port"]),
            "SSHUser": options["generic-ssh-user"],
            "SSHPort": int(options["generic-ssh-port"]),
            "SSHKey": options.get("generic-ssh-key") or "",
            "SSHKeyPath": "",
        }

    async def pre_create_check(self) -> None:
        """The key must be readable."""
        if self.state["SSHKey"]:
            self._read_key()

    def _read_key(self) -> bytes:
        path = Path(self.state["SSHKey"]).expanduser()
        try:
            return path.read_bytes()
        except FileNotFoundError as exc:
            raise InvalidParameter(f'SSH key does not exist: "{path}"') from exc
        except OSError as exc:
            raise InvalidParameter(f'SSH key can not be read: "{path}": {exc.strerror}') from exc

    async def create(self) -> None:
        """Nothing to make but our copy of the key."""
        if not self.state["SSHKey"]:
            return
        target = self._directory / "id_rsa"
        target.touch(mode=0o600)
        target.write_bytes(self._read_key())
        self.state["SSHKeyPath"] = str(target)

    async def remove(self) -> None:
        """The host is not ours to delete."""

    async def host_state(self) -> State:
        """Running if its SSH port takes connections."""
        try:
            _, writer = await asyncio.open_connection(self.state["IPAddress"], self.state["SSHPort"])
        except OSError:
            return State.STOPPED
        writer.close()
        return State.RUNNING

    def ssh(self) -> SSHTarget:
        """As the flags said."""
        key = self.state["SSHKeyPath"]
        return SSHTarget(
            self.state["IPAddress"], self.state["SSHPort"], self.state["SSHUser"], Path(key) if key else None
        )

    def url(self) -> str:
        """The engine listens on all addresses; we know it by this one."""
        host = self.state["IPAddress"]
        return f"tcp://{f'[{host}]' if ':' in host else host}:{self.state['EnginePort']}"
