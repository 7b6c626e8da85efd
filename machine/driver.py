"""Contract of a machine driver: it makes a host and says how to reach it.

Vocabulary
    machine     a host that pymachine knows by name, with its record in the store.
    driver      what makes the host (a cloud, a hypervisor) or adopts one that is there (generic).
    flag        a setting of a driver, declared as data; `create` offers it as `--FLAG`.

Lifecycle::

    Driver(options) ──> pre_create_check ──> create ──> ssh / url … ──> remove

A driver's settings and what it learns (an instance id, an address) live in its `state` dict, which the
store saves after each step, so that an interrupted create can be removed. Starting and stopping is
an optional ability (`PowerControl`): a driver that can't does not have the methods.

All methods are async. An example is `drivers.machine.generic`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable


class State(Enum):
    """A host's state, with the words `ls` prints."""

    NONE = ""
    RUNNING = "Running"
    PAUSED = "Paused"
    SAVED = "Saved"
    STOPPED = "Stopped"
    STOPPING = "Stopping"
    STARTING = "Starting"
    ERROR = "Error"
    TIMEOUT = "Timeout"


@dataclass(frozen=True, slots=True)
class Flag:
    """One setting. name: without dashes in front; env: a variable that sets it."""

    name: str
    help: str
    env: str
    default: str | int | bool | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class SSHTarget:
    """How to log in. key: a private key's file, None for the agent's keys."""

    host: str
    port: int
    user: str
    key: Path | None


class MachineDriver(Protocol):
    """One kind of host. Constructed as ``Driver(name, directory, state)``.

    name: the machine's; directory: the machine's own in the store, for keys; state: what `configure`
    made of the flags, or what the store had kept.
    """

    driver_name: ClassVar[str]
    flags: ClassVar[tuple[Flag, ...]]
    state: dict[str, Any]

    @classmethod
    def configure(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Flags (by name) → the first state; InvalidParameter names the flag that is wrong."""
        ...

    async def pre_create_check(self) -> None:
        """Find out before anything is made whether `create` can work (exit code 3 if not)."""
        ...

    async def create(self) -> None:
        """Make the host. What was made is undone if it fails."""
        ...

    async def remove(self) -> None:
        """Take the host away; one that is gone is no error."""
        ...

    async def host_state(self) -> State:
        """Ask for the host's state."""
        ...

    def ssh(self) -> SSHTarget | None:
        """How to log in; None for a host that has no SSH (it can't be provisioned then)."""
        ...

    def url(self) -> str:
        """The engine's tcp:// address; "" while it is not known."""
        ...


@runtime_checkable
class PowerControl(Protocol):
    """Optional ability: the host can be switched on and off."""

    async def start(self) -> None:
        """Switch on."""
        ...

    async def stop(self) -> None:
        """Shut down in an orderly way."""
        ...

    async def kill(self) -> None:
        """Switch off."""
        ...
