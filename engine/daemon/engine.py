"""The engine's services in one place: stores and drivers, without behaviour.

Made once by `engine.daemon.bootstrap`. Use cases are functions that take it first::

    async def start(engine: Engine, reference: str) -> None: ...
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.container.store import ContainerStore
    from engine.daemon.config import DaemonConfig
    from engine.db import Database
    from engine.driverapi.execution import ExecutionDriver
    from engine.driverapi.graph import GraphDriver
    from engine.events import EventBus
    from engine.image.store import ImageStore
    from engine.layer.store import LayerStore
    from engine.network.controller import NetworkController
    from engine.volume.store import VolumeStore


@dataclass(slots=True)
class Engine:
    """What one daemon works with.

    id: a UUID made at the first start on this data-root and kept. config is replaced as a whole
    when the configuration is reloaded, so read it from here each time. rooms: what a use case
    keeps between calls (watchers, pending attachments, health timers), by the name of its module.
    """

    id: str
    config: DaemonConfig
    db: Database
    events: EventBus
    graph: GraphDriver
    layers: LayerStore
    images: ImageStore
    networks: NetworkController
    volumes: VolumeStore
    containers: ContainerStore
    execution: ExecutionDriver
    rooms: dict[str, Any] = field(default_factory=dict)
