"""Runs a plan: every operation as soon as what it needs is done, under one limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from compose.errors import ComposeError, OperationFailed
from compose.execute.progress import Reporter
from compose.plan.operations import Kind, Operation, Plan
from engine.errdefs import DockyardError

Action = Callable[[Operation], Awaitable[str | None]]
"""Does one operation; what it returns is shown instead of the usual word ("Healthy", "Skipped")."""


class _Skipped(Exception):
    """Something that the operation needs has failed."""


async def execute(plan: Plan, actions: Mapping[Kind, Action], reporter: Reporter, limit: int = 0) -> None:
    """Do all operations; at most `limit` at a time (0: no limit), waits not counted.

    When one fails, those that need it are skipped and the others go on; then OperationFailed is
    raised with the first failure (its exit code too), and what was left undone. Cancelling stops
    all of it: an operation in flight finishes its request or undoes it.
    """
    slots = asyncio.Semaphore(limit) if limit else None
    tasks: dict[str, asyncio.Task[None]] = {}
    failures: list[tuple[Operation, DockyardError]] = []
    skipped: list[Operation] = []

    async def run(operation: Operation) -> None:
        for identity in operation.needs:
            if identity in tasks:
                try:
                    await asyncio.shield(tasks[identity])
                except (_Skipped, DockyardError):
                    skipped.append(operation)
                    raise _Skipped from None
        if slots is None or operation.kind is Kind.WAIT:
            await perform(operation)
        else:
            async with slots:
                await perform(operation)

    async def perform(operation: Operation) -> None:
        reporter.begun(operation)
        try:
            note = await actions[operation.kind](operation)
        except DockyardError as exc:
            reporter.failed(operation, str(exc))
            failures.append((operation, exc))
            raise
        reporter.done(operation, note or "")

    for operation in plan:  # in an order in which needs come first: their tasks exist
        tasks[operation.id] = asyncio.create_task(run(operation))
    try:
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    except asyncio.CancelledError:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        raise
    for task in tasks.values():
        error = task.exception()
        if error is not None and not isinstance(error, (_Skipped, DockyardError)):
            raise error
    if failures:
        raise _failure(failures, skipped)


def _failure(failures: list[tuple[Operation, DockyardError]], skipped: list[Operation]) -> ComposeError:
    first = failures[0][1]
    text = "\n".join(dict.fromkeys(str(error) for _, error in failures))
    starts = sorted({operation.target for operation in skipped if operation.kind is Kind.START})
    if starts:
        text += f"\nnot started because of that: {', '.join(starts)}"
    error = OperationFailed(text)
    error.exit_code = getattr(first, "exit_code", 1) if isinstance(first, ComposeError) else 1
    return error
