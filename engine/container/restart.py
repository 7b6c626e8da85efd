"""Restart policies: a pure decision, taken each time a container has ended.

Back-off: 100 ms, doubled each time, at most a minute; after a run of ten seconds or more it begins
anew. Source: Engine API reference, `HostConfig.RestartPolicy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FIRST, FACTOR, LONGEST = 0.1, 2.0, 60.0
LONG_RUN = 10.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a container ended.

    uptime: seconds it ran. restarts: how often the policy has started it since somebody did. stopped:
    it was ended on purpose through the API. last_delay: what the policy waited last, 0 if it never did.
    """

    exit_code: int
    uptime: float
    restarts: int
    stopped: bool
    last_delay: float


def decide(policy: dict[str, Any], ending: Ending) -> float | None:
    """Seconds to wait before the container is started again; None to leave it ended."""
    if ending.stopped or not _wants(policy, ending):
        return None
    if ending.last_delay <= 0 or ending.uptime >= LONG_RUN:
        return FIRST
    return min(ending.last_delay * FACTOR, LONGEST)


def at_boot(policy: dict[str, Any], *, was_active: bool, manually_stopped: bool) -> bool:
    """Whether a container that does not run is started when the daemon starts.

    was_active: it ran, or waited for its restart, when the daemon was last seen.
    """
    name = policy.get("Name") or "no"
    if name == "always":
        return True
    if name == "unless-stopped":
        return not manually_stopped
    return name == "on-failure" and was_active


def _wants(policy: dict[str, Any], ending: Ending) -> bool:
    name = policy.get("Name") or "no"
    if name in ("always", "unless-stopped"):
        return True
    if name != "on-failure" or ending.exit_code == 0:
        return False
    limit = policy.get("MaximumRetryCount") or 0
    return limit == 0 or ending.restarts < limit
