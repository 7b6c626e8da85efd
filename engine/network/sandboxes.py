"""Network namespaces of containers: files below `<exec-root>/netns`, one ready in stock."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Collection
from pathlib import Path

from engine.errdefs import SystemFailure
from engine.linux import netlink, netns

log = logging.getLogger(__name__)

STOCK = "stock-"


class Sandboxes:
    """All block: making one takes about 1 ms, taking it from the stock a tenth of that."""

    def __init__(self, directory: Path, stock: int = 2) -> None:
        self._directory = directory
        self._wanted = stock
        self._stock: list[Path] = []
        self._lock = threading.Lock()
        self._filling = threading.Lock()
        self._closed = False

    def open(self) -> None:
        """Prepare the directory."""
        try:
            netns.prepare_directory(str(self._directory))
        except OSError as exc:
            raise SystemFailure(f"cannot keep network namespaces in {self._directory}: {exc}") from exc

    def close(self) -> None:
        """Drop the stock; namespaces of containers stay."""
        self._closed = True
        with self._filling:  # a refill on its way ends first
            stock, self._stock = self._stock, []
        for path in stock:
            netns.remove(str(path))
        try:
            netns.release_directory(str(self._directory))
        except OSError as exc:
            log.warning("cannot unmount %s: %s", self._directory, exc)

    def path(self, container_id: str) -> Path:
        """Where a container's namespace is, or will be."""
        return self._directory / container_id[:12]

    def take(self, container_id: str) -> Path:
        """A namespace for the container; what was left of an earlier one is removed."""
        path = self.path(container_id)
        try:
            netns.remove(str(path))
            with self._lock:
                ready = self._stock.pop() if self._stock else None
            if ready is None:
                netns.create(str(path))
            else:
                netns.rename(str(ready), str(path))
        except OSError as exc:
            raise SystemFailure(f"cannot make a network namespace: {exc.strerror}") from exc
        return path

    def refill(self) -> None:
        """Bring the stock up to its size."""
        with self._filling:
            while len(self._stock) < self._wanted and not self._closed:
                path = self._directory / f"{STOCK}{secrets.token_hex(4)}"
                try:
                    netns.create(str(path))
                except OSError as exc:
                    log.warning("cannot make a network namespace in advance: %s", exc)
                    return
                with self._lock:
                    self._stock.append(path)

    def alive(self, path: Path) -> bool:
        """Whether a namespace is bound there."""
        return path.exists() and netns.is_mount(str(path))

    def remove(self, path: Path) -> None:
        """Let a namespace go; a missing one is no error."""
        try:
            netns.remove(str(path))
        except OSError as exc:
            raise SystemFailure(f"cannot remove the network namespace {path}: {exc.strerror}") from exc

    def keep_only(self, paths: Collection[Path]) -> None:
        """After a restart: remove every namespace that is not one of `paths`."""
        with self._lock:
            kept = {*paths, *self._stock}
        for path in self._directory.iterdir():
            if path not in kept:
                self.remove(path)


def set_default_route(sandbox: Path, gateway: str) -> None:
    """Change the default route of a namespace; "" takes it away."""

    def change() -> None:
        with netlink.NetlinkSocket() as sock:
            try:
                sock.execute(netlink.default_route(gateway) if gateway else netlink.default_route_delete())
            except OSError as exc:
                if gateway or exc.errno != 3:  # ESRCH: there was none
                    raise

    try:
        netns.run_in(str(sandbox), change)
    except OSError as exc:
        raise SystemFailure(f"cannot change the default route: {exc.strerror}") from exc
