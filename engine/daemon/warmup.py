"""What the first start would have to wait for, done ahead while nobody waits."""

from __future__ import annotations

import logging

from engine.container import seccomp_profile
from engine.container.spec import bounding_caps
from engine.daemon.process import available_capabilities

log = logging.getLogger(__name__)


def compile_default_filter() -> None:
    """Compile the seccomp profile of nearly all containers, some 45 ms. Blocks; a failure is logged."""
    from engine.linux import seccomp

    bounding = bounding_caps({}, available_capabilities())
    profile = seccomp_profile.resolve_default(
        tuple(bounding), seccomp_profile.kernel_version(), seccomp_profile.machine()
    )
    try:
        seccomp.compile(profile)
    except (seccomp.Unavailable, seccomp.BadProfile) as exc:
        log.warning("containers need --security-opt seccomp=unconfined: %s", exc)
