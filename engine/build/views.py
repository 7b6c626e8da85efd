"""Other images' files, mounted for as long as a build looks into them (``COPY --from``)."""

from __future__ import annotations

from pathlib import Path

from engine.layer.store import LayerStore


class Views:
    """Mounts by chain id, each made once. scratch: where the root of an empty image is made. Blocks."""

    def __init__(self, layers: LayerStore, scratch: Path) -> None:
        self._layers = layers
        self._scratch = scratch
        self._mounts: dict[str, Path] = {}

    def root(self, chain_id: str | None) -> Path:
        """The files of an image; they stay there, and readable, until `close`."""
        if chain_id is None:
            empty = self._scratch / "empty"
            empty.mkdir(exist_ok=True)
            return empty
        if chain_id not in self._mounts:
            self._layers.hold(chain_id)
            try:
                self._mounts[chain_id] = self._layers.mount(chain_id)
            except BaseException:
                self._layers.release(chain_id)
                raise
        return self._mounts[chain_id]

    def close(self) -> None:
        """Take all mounts away."""
        while self._mounts:
            chain_id, _ = self._mounts.popitem()
            self._layers.unmount(chain_id)
            self._layers.release(chain_id)
