"""Asking many nodes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from engine.errdefs import DockyardError, NotFound, Unavailable
from swarm.cluster.node import ClusterNode

T = TypeVar("T")
_AT_ONCE = 64


async def each(
    nodes: Iterable[ClusterNode], ask: Callable[[ClusterNode], Awaitable[T]]
) -> list[tuple[ClusterNode, T | DockyardError]]:
    """`ask` for every node side by side; an error of one is its result and holds up no other."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(node: ClusterNode) -> tuple[ClusterNode, T | DockyardError]:
        async with limit:
            try:
                return node, await ask(node)
            except DockyardError as exc:
                return node, exc

    return list(await asyncio.gather(*(one(n) for n in nodes)))


async def answers(
    nodes: Iterable[ClusterNode], ask: Callable[[ClusterNode], Awaitable[T]]
) -> list[tuple[ClusterNode, T]]:
    """The same without the nodes that just went away; any other error is raised."""
    got: list[tuple[ClusterNode, T]] = []
    for node, result in await each(nodes, ask):
        if isinstance(result, Unavailable):
            continue
        if isinstance(result, DockyardError):
            raise result
        got.append((node, result))
    return got


async def all_holders(
    nodes: Iterable[ClusterNode], ask: Callable[[ClusterNode], Awaitable[T]], what: str
) -> list[tuple[ClusterNode, T]]:
    """The same for a change to something that lies on several nodes; NotFound if none has it.

    An error of one holder is raised, with the node's name, after all were asked.
    """
    got: list[tuple[ClusterNode, T]] = []
    failed: tuple[ClusterNode, DockyardError] | None = None
    for node, result in await each(nodes, ask):
        if isinstance(result, NotFound):
            continue
        if isinstance(result, DockyardError):
            failed = failed or (node, result)
        else:
            got.append((node, result))
    if failed is not None:
        node, exc = failed
        raise type(exc)(f"{node.name}: {exc}") from exc
    if not got:
        raise NotFound(what)
    return got


def require_some(nodes: list[ClusterNode]) -> list[ClusterNode]:
    """The nodes; Unavailable if there is none."""
    if not nodes:
        raise Unavailable("No healthy node available in the cluster")
    return nodes


def concat(lists: Iterable[Any]) -> list[Any]:
    """One list of all; null ones are empty."""
    return [item for part in lists for item in part or ()]
