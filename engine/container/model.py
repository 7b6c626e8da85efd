"""A container's record: what is kept in `engine.db` of it, as JSON.

`config`, `host_config` and `networking` are kept under the API's own names with every field present
(engine.container.wire fills the defaults), so that inspect gives them back unchanged and the spec is
built from what the client sent. Times are nanoseconds since the epoch, 0 for never.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class Status(StrEnum):
    """The API's State.Status."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"


class Phase(StrEnum):
    """What was begun and must be finished or undone if the daemon dies meanwhile."""

    NONE = ""
    CREATING = "creating"
    STARTING = "starting"
    REMOVING = "removing"


class ProbeResult(msgspec.Struct, omit_defaults=True):
    """One run of a health check. exit_code: 0 healthy, 1 unhealthy, -1 could not run or timed out."""

    start: int
    end: int
    exit_code: int
    output: str = ""


class Health(msgspec.Struct, omit_defaults=True):
    """What the health checks say. status: none, starting, healthy, unhealthy; log: the last five results."""

    status: str = "starting"
    failing_streak: int = 0
    log: list[ProbeResult] = msgspec.field(default_factory=list)


class State(msgspec.Struct, omit_defaults=True):
    """How the container stands."""

    status: Status = Status.CREATED
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_at: int = 0
    finished_at: int = 0
    health: Health | None = None


class MountPoint(msgspec.Struct, omit_defaults=True):
    """Something mounted in the container. type: bind, volume, tmpfs.

    source: the host's path; empty for a volume until it is mounted. mode: the third part of `-v`.
    options: of tmpfs, the data of its mount; copy_up: an empty volume takes the image's content.
    """

    type: str
    destination: str
    source: str = ""
    name: str = ""
    driver: str = ""
    mode: str = ""
    rw: bool = True
    propagation: str = ""
    options: str = ""
    copy_up: bool = False
    anonymous: bool = False
    recursive: bool = True
    create_source: bool = False
    consistency: str = ""
    subpath: str = ""


class Container(msgspec.Struct, omit_defaults=True):
    """One container. image: as the client wrote it; image_id: what that meant then.

    removing_volumes: of the phase removing, whether its anonymous volumes go with it.
    """

    id: str
    name: str
    created: int
    path: str
    args: list[str]
    image: str
    image_id: str
    config: dict[str, Any]
    host_config: dict[str, Any]
    networking: dict[str, Any] = msgspec.field(default_factory=dict)
    network_settings: dict[str, Any] = msgspec.field(default_factory=dict)
    mounts: list[MountPoint] = msgspec.field(default_factory=list)
    state: State = msgspec.field(default_factory=State)
    phase: Phase = Phase.NONE
    restart_count: int = 0
    manually_stopped: bool = False
    started_before: bool = False
    removing_volumes: bool = False

    @property
    def running(self) -> bool:
        """Whether its process lives; a paused one's does, a restarting one's does not."""
        return self.state.status in (Status.RUNNING, Status.PAUSED)

    @property
    def active(self) -> bool:
        """Whether the API calls it Running: it lives, or is about to be restarted."""
        return self.running or self.state.status == Status.RESTARTING

    @property
    def paused(self) -> bool:
        """Whether it is frozen."""
        return self.state.status == Status.PAUSED

    @property
    def tty(self) -> bool:
        """Whether its streams are one terminal."""
        return bool(self.config.get("Tty"))

    @property
    def network_mode(self) -> str:
        """HostConfig.NetworkMode, "default" said as what it means."""
        mode = str(self.host_config.get("NetworkMode") or "default")
        return "bridge" if mode == "default" else mode

    @property
    def labels(self) -> dict[str, str]:
        """Its labels, the image's merged in."""
        return self.config.get("Labels") or {}
