"""A machine's record, in the shape that docker-machine writes to config.json (ConfigVersion 3)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from engine.driverapi import registry
from engine.errdefs import InvalidParameter
from machine.driver import MachineDriver

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-.]*")


class EngineOptions(msgspec.Struct, rename="pascal", omit_defaults=False):
    """How the engine on the machine is started."""

    arbitrary_flags: list[str] = []
    env: list[str] = []
    labels: list[str] = []
    insecure_registry: list[str] = []
    registry_mirror: list[str] = []
    storage_driver: str = ""
    tls_verify: bool = True


class AuthOptions(msgspec.Struct, rename="pascal"):
    """Names that the server certificate carries beside the machine's address and localhost."""

    server_cert_sans: list[str] = msgspec.field(default_factory=list, name="ServerCertSANs")


class HostOptions(msgspec.Struct, rename="pascal"):
    """Everything about the machine that is not the driver's."""

    engine_options: EngineOptions = msgspec.field(default_factory=EngineOptions)
    auth_options: AuthOptions = msgspec.field(default_factory=AuthOptions)


class Record(msgspec.Struct, rename="pascal"):
    """config.json. provisioned: whether `create` came to its end."""

    name: str
    driver_name: str
    driver: dict[str, Any]
    host_options: HostOptions = msgspec.field(default_factory=HostOptions)
    config_version: int = 3
    provisioned: bool = False


class Machine:
    """A record together with its directory and its driver."""

    def __init__(self, record: Record, directory: Path) -> None:
        self.record = record
        self.directory = directory
        driver_class = registry.load("machine", record.driver_name)
        self.driver: MachineDriver = driver_class(record.name, directory, record.driver)

    @property
    def name(self) -> str:
        """The machine's name."""
        return self.record.name

    @property
    def known_hosts(self) -> Path:
        """Where its SSH host key is recorded."""
        return self.directory / "known_hosts"

    def ip(self) -> str:
        """Its address, "" while unknown."""
        return str(self.record.driver.get("IPAddress", ""))


def check_name(name: str) -> None:
    """InvalidParameter unless `name` can be a host name."""
    if not NAME.fullmatch(name):
        raise InvalidParameter(
            f"Invalid hostname specified: {name!r}. "
            "Allowed hostname chars are: 0-9a-zA-Z . -, and the first must be a letter or digit"
        )
