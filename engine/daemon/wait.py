"""Use case: wait until a container has ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from engine.daemon.engine import Engine
from engine.errdefs import InvalidParameter

NOT_RUNNING, NEXT_EXIT, REMOVED = "not-running", "next-exit", "removed"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody who waits. `code` is fulfilled with the exit code; `cancel` when nobody listens any more."""

    code: asyncio.Future[int]

    def cancel(self) -> None:
        """Stop waiting."""
        self.code.cancel()


def wait(engine: Engine, reference: str, condition: str = "") -> Waiting:
    """Begin to wait; what happens from this call on counts.

    condition: not-running (the default; at once if it does not run), next-exit, removed.
    """
    condition = condition or NOT_RUNNING
    if condition not in (NOT_RUNNING, NEXT_EXIT, REMOVED):
        raise InvalidParameter(f'invalid condition: "{condition}"')
    container = engine.containers.get(reference)
    live = engine.containers.live(container.id)
    code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    if condition == REMOVED:
        live.removed.append(code)
    elif condition == NOT_RUNNING and not container.active:
        code.set_result(container.state.exit_code)
    else:
        live.exited[:] = [one for one in live.exited if not one.done()]
        live.exited.append(code)
    return Waiting(code)
