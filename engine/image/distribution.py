"""What pulls and pushes of one engine share: settings, limits, and the blobs under way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from engine.errdefs import SystemFailure
from engine.image.reference import Reference
from engine.image.store import ImageStore
from engine.registry.auth import Credentials
from engine.registry.client import Repository
from engine.registry.endpoints import RegistryOptions, endpoints
from engine.registry.errors import Unreachable

Progress = Callable[[dict[str, Any]], None]
"""Takes the API's progress messages, always on the event loop's thread."""

T = TypeVar("T")

ATTEMPTS = 5
_REPORT_EVERY = 0.1


@dataclass
class Distribution:
    """One engine's transfers. At most 3 downloads and 5 uploads run at a time, over all pulls and pushes."""

    store: ImageStore
    options: RegistryOptions = field(default_factory=RegistryOptions)
    max_downloads: int = 3
    max_uploads: int = 5
    _locks: dict[str, tuple[asyncio.Lock, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.downloads = asyncio.Semaphore(self.max_downloads)
        self.uploads = asyncio.Semaphore(self.max_uploads)

    @asynccontextmanager
    async def alone(self, digest: str) -> AsyncIterator[None]:
        """One at a time for each blob: whoever comes second finds it there."""
        lock, waiting = self._locks.get(digest, (None, 0))
        lock = lock or asyncio.Lock()
        self._locks[digest] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            waiting = self._locks[digest][1] - 1
            if waiting:
                self._locks[digest] = (lock, waiting)
            else:
                del self._locks[digest]

    async def reach(
        self,
        ref: Reference,
        credentials: Credentials,
        actions: str,
        work: Callable[[Repository], Awaitable[T]],
    ) -> T:
        """Do `work` with the first endpoint that answers; the last one's error if none does."""
        failure: Exception | None = None
        for endpoint in endpoints(ref.domain, self.options, push="push" in actions):
            async with Repository(endpoint, ref.path, credentials, actions) as repository:
                try:
                    await repository.ping()
                except Unreachable as exc:
                    # an https attempt that met a plain http server says less than what comes next
                    failure = exc
                    continue
                except SystemFailure as exc:
                    if not endpoint.mirror:
                        raise
                    failure = exc
                    continue
                try:
                    return await work(repository)
                except SystemFailure as exc:
                    if not endpoint.mirror:
                        raise
                    failure = exc
        assert failure is not None
        raise failure


class Meter:
    """Reports how far a transfer is, at most ten times a second and once at its end."""

    def __init__(self, progress: Progress, status: str, name: str, total: int) -> None:
        self._progress = progress
        self._status = status
        self._name = name
        self._total = total
        self._last = 0.0
        self.current = 0

    def add(self, count: int) -> None:
        """`count` more bytes."""
        self.current += count
        now = time.monotonic()
        if now - self._last >= _REPORT_EVERY or self.current == self._total:
            self._last = now
            self.report()

    def report(self) -> None:
        """Say it now."""
        detail = {"current": self.current, "total": self._total}
        self._progress({"status": self._status, "progressDetail": detail, "id": self._name})


def say(progress: Progress, status: str, name: str = "") -> None:
    """A message about one layer, or about the whole."""
    message: dict[str, Any] = {"status": status}
    if name:
        message.update(progressDetail={}, id=name)
    progress(message)


def short(digest: str) -> str:
    """The first 12 digits, as progress lines name a layer."""
    return digest.removeprefix("sha256:")[:12]
