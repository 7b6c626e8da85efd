"""What `pyswarm manage` can be told about the cluster. Durations are seconds."""

from __future__ import annotations

from dataclasses import dataclass

from engine.client import TLSConfig
from scheduler.filters import DEFAULT


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """Names follow the flags of `pyswarm manage`.

    refresh_min, refresh_max: bounds of the wait between two full listings of a node, a safety net
        beneath its event stream.
    ping_interval: how often a node is asked for a sign of life, and how long it may take to give one; after
        `failure_retry` failures in a row it counts as dead: within (failure_retry + 1) intervals.
    overcommit: share of CPU and memory promised beyond what nodes have.
    create_retry: on how many further nodes a create is tried when a node refuses it.
    """

    strategy: str = "spread"
    filters: tuple[str, ...] = DEFAULT
    tls: TLSConfig | None = None
    refresh_min: float = 30.0
    refresh_max: float = 60.0
    failure_retry: int = 3
    ping_interval: float = 1.0
    overcommit: float = 0.05
    create_retry: int = 0
