"""Layers by chain id, rw layers by container id, and who needs which.

A layer stays as long as something holds it: an image (`hold`/`release`, counted in memory and
counted anew at every start), a layer on top of it, or a container's rw layer. What nobody holds any more
goes, and its parents with it.

What the graph driver is about to make or remove is written down first (table layer_trees_pending); the
next start removes what a crash left there.

             images ──hold──> layer ──parent──> layer          read-only, by chain id
                                ^
                                └─ init layer (one a chain) <── rw layer     one a container
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import BinaryIO, cast

from engine.db import Database
from engine.driverapi.graph import Change, GraphDriver, TreeAdopter
from engine.errdefs import Conflict, NotFound
from engine.layer import initlayer, tarsplit
from engine.layer.hashing import HashingReader
from engine.layer.pack import TRAILER, PackOptions, pack_entries, stream

_SCHEMA = """
CREATE TABLE IF NOT EXISTS layers (
    chain_id TEXT PRIMARY KEY, diff_id TEXT NOT NULL, parent TEXT REFERENCES layers(chain_id),
    size INTEGER NOT NULL, cache_id TEXT NOT NULL, tar_size INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS rw_layers (
    container_id TEXT PRIMARY KEY, cache_id TEXT NOT NULL, parent TEXT REFERENCES layers(chain_id));
CREATE TABLE IF NOT EXISTS init_layers (parent TEXT PRIMARY KEY, cache_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS layer_trees_pending (cache_id TEXT PRIMARY KEY);
"""


EMPTY_DIFF_ID = "sha256:" + hashlib.sha256(TRAILER).hexdigest()
"""The diff id of a layer without any entry; images leave such layers out."""


@dataclass(frozen=True)
class Layer:
    """A read-only layer. Ids are "sha256:<hex>"; size: bytes of its own files, tar_size: of its archive."""

    chain_id: str
    diff_id: str
    parent: str | None
    size: int
    cache_id: str
    tar_size: int


@dataclass(frozen=True)
class RwLayer:
    """A container's writable layer; cache_id names its tree, parent is the image's top chain id."""

    container_id: str
    cache_id: str
    parent: str | None


def chain_id(parent: str | None, diff_id: str) -> str:
    """The id of `diff_id` on top of `parent` (OCI image spec, config.md "Layer ChainID")."""
    if parent is None:
        return diff_id
    return "sha256:" + hashlib.sha256(f"{parent} {diff_id}".encode()).hexdigest()


def chain_of(diff_ids: list[str]) -> str | None:
    """The chain id of a whole stack, base first; None for no layer at all."""
    chain: str | None = None
    for diff_id in diff_ids:
        chain = chain_id(chain, diff_id)
    return chain


class LayerStore:
    """See the module's text. Safe to call from any thread; every method blocks.

    root: a directory of the store's own (`<data-root>/layers`).
    """

    def __init__(self, root: Path, db: Database, graph: GraphDriver) -> None:
        self._db = db
        self._graph = graph
        self._splits = root / "split"
        self._splits.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._held: Counter[str] = Counter()
        self._children: Counter[str] = Counter()
        self._layers: dict[str, Layer] = {}
        self._rw: dict[str, RwLayer] = {}
        self._init: dict[str, str] = {}
        db.script(_SCHEMA)
        graph.recover()
        self._load()

    def _load(self) -> None:
        for (cache_id,) in self._db.query("SELECT cache_id FROM layer_trees_pending"):
            self._drop_tree(cache_id)
        for row in self._db.query("SELECT chain_id, diff_id, parent, size, cache_id, tar_size FROM layers"):
            layer = Layer(*row)
            self._layers[layer.chain_id] = layer
            if layer.parent:
                self._children[layer.parent] += 1
        for row in self._db.query("SELECT container_id, cache_id, parent FROM rw_layers"):
            rw = RwLayer(*row)
            if not self._graph.exists(rw.cache_id):  # written down, never made, or made and removed
                with self._db.transaction() as tx:
                    tx.execute("DELETE FROM rw_layers WHERE container_id = ?", (rw.container_id,))
                continue
            self._rw[rw.container_id] = rw
            if rw.parent:
                self._children[rw.parent] += 1
        for parent, cache_id in self._db.query("SELECT parent, cache_id FROM init_layers"):
            self._init[parent] = cache_id

    # Trees that are being made or removed

    def _announce_tree(self) -> str:
        cache_id = secrets.token_hex(32)
        with self._db.transaction() as tx:
            tx.execute("INSERT INTO layer_trees_pending VALUES (?)", (cache_id,))
        return cache_id

    def _drop_tree(self, cache_id: str) -> None:
        self._graph.remove(cache_id)
        with self._db.transaction() as tx:
            tx.execute("DELETE FROM layer_trees_pending WHERE cache_id = ?", (cache_id,))

    # Read-only layers

    def register(self, tar: BinaryIO, parent: str | None, *, hold: bool = False) -> Layer:
        """Unpack an uncompressed archive on top of `parent` (a chain id) and make it a layer.

        The same content on the same parent is the same layer: a second registration returns the
        first one. With `hold` the caller must `release` the layer later; without, it goes with the
        next clean-up unless an image is made of it.
        """
        parent_cache = self.get(parent).cache_id if parent else None
        if parent:
            self.hold(parent)
        cache_id = self._announce_tree()
        split = self._splits / f"new-{cache_id}"
        try:
            self._graph.create(cache_id, parent_cache)
            hashing = HashingReader(tar)
            with tarsplit.Recorder(cast(BinaryIO, hashing), split) as recorded:
                size = self._graph.apply(cache_id, cast(BinaryIO, recorded))
                recorded.drain()
            diff_id = hashing.digest()
            layer = Layer(chain_id(parent, diff_id), diff_id, parent, size, cache_id, hashing.count)
            return self._adopt(layer, split if recorded.complete else None, hold)
        except BaseException:
            self._drop_tree(cache_id)
            raise
        finally:
            split.unlink(missing_ok=True)
            if parent:
                self.release(parent)

    def _adopt(self, layer: Layer, split: Path | None, hold: bool, rw: RwLayer | None = None) -> Layer:
        """Write a finished tree down as a layer, unless the very layer is there already."""
        with self._lock:
            known = self._layers.get(layer.chain_id)
            if known is None:
                if split is not None:
                    split.rename(self._splits / layer.cache_id)
                with self._db.transaction() as tx:
                    tx.execute(
                        "INSERT INTO layers VALUES (?, ?, ?, ?, ?, ?)",
                        astuple(layer),
                    )
                    tx.execute("DELETE FROM layer_trees_pending WHERE cache_id = ?", (layer.cache_id,))
                    if rw is not None:
                        tx.execute("DELETE FROM rw_layers WHERE container_id = ?", (rw.container_id,))
                self._layers[layer.chain_id] = layer
                if layer.parent:
                    self._children[layer.parent] += 1
                if rw is not None:
                    self._forget_rw(rw)
            if hold:
                self._held[layer.chain_id] += 1
        if known is not None:
            self._drop_tree(layer.cache_id)
        return known or layer

    def get(self, chain: str) -> Layer:
        """The layer; NotFound."""
        layer = self._layers.get(chain)
        if layer is None:
            raise NotFound(f"layer does not exist: {chain}")
        return layer

    def layers(self) -> list[Layer]:
        """All read-only layers."""
        with self._lock:
            return [*self._layers.values()]

    def hold(self, chain: str) -> Layer:
        """Keep the layer until `release`; NotFound. Counted."""
        with self._lock:
            layer = self.get(chain)
            self._held[chain] += 1
            return layer

    def release(self, chain: str) -> list[str]:
        """Undo one `hold`; the layer and its parents go as far as nobody needs them.

        Returns the chain ids that went.
        """
        with self._lock:
            if self._held[chain] > 1:
                self._held[chain] -= 1
                return []
            self._held.pop(chain, None)
        return self._collect(chain)

    def collect_garbage(self) -> None:
        """Remove all layers that nothing holds. For the start, once images have taken their holds."""
        for layer in self.layers():
            self._collect(layer.chain_id)

    def _collect(self, chain: str | None) -> list[str]:
        gone: list[str] = []
        while chain is not None:
            with self._lock:
                layer = self._layers.get(chain)
                if layer is None or self._held.get(chain) or self._children.get(chain):
                    return gone
                init = self._init.pop(chain, None)
                with self._db.transaction() as tx:
                    tx.execute("DELETE FROM layers WHERE chain_id = ?", (chain,))
                    tx.execute("DELETE FROM init_layers WHERE parent = ?", (chain,))
                    for cache_id in filter(None, (layer.cache_id, init)):
                        tx.execute("INSERT OR IGNORE INTO layer_trees_pending VALUES (?)", (cache_id,))
                del self._layers[chain]
                if layer.parent:
                    self._children[layer.parent] -= 1
            for cache_id in filter(None, (init, layer.cache_id)):
                self._drop_tree(cache_id)
            (self._splits / layer.cache_id).unlink(missing_ok=True)
            gone.append(chain)
            chain = layer.parent
        return gone

    def metadata(self, chain: str) -> dict[str, str]:
        """The graph driver's directories of a layer, for inspect."""
        return self._graph.metadata(self.get(chain).cache_id)

    def tar(self, chain: str) -> BinaryIO:
        """The layer as an uncompressed archive whose sha256 is its diff id.

        The caller verifies the digest: a tree that somebody altered on disk gives other bytes.
        """
        layer = self.get(chain)
        split = self._splits / layer.cache_id
        parent = self.get(layer.parent).cache_id if layer.parent else None
        if split.exists():
            return stream(tarsplit.assemble(split, Path(self._tree_of(layer))))
        return self._graph.diff(layer.cache_id, parent)

    def _tree_of(self, layer: Layer) -> str:
        """Where the layer's own files lie: the upper directory, or the whole tree for a copying driver."""
        upper = self._graph.metadata(layer.cache_id).get("UpperDir")
        return upper or str(self._graph.mount(layer.cache_id))

    def mount(self, chain: str) -> Path:
        """The tree that ends with this layer, for reading only; counted, `unmount` undoes it."""
        return self._graph.mount(self.get(chain).cache_id)

    def unmount(self, chain: str) -> None:
        """Undo one `mount`; a layer that is gone is no error."""
        layer = self._layers.get(chain)
        if layer is not None:
            self._graph.unmount(layer.cache_id)

    # rw layers

    def create_rw(self, container_id: str, parent: str | None) -> None:
        """An empty rw layer on top of `parent` (None: of nothing), with the init layer between. Conflict."""
        with self._lock:
            if container_id in self._rw:
                raise Conflict(f"a rw layer for container {container_id} exists already")
            rw = RwLayer(container_id, secrets.token_hex(32), parent)
            init = self._init_layer(parent)
            with self._db.transaction() as tx:
                tx.execute("INSERT INTO rw_layers VALUES (?, ?, ?)", (container_id, rw.cache_id, parent))
            self._rw[container_id] = rw
            if parent:
                self._children[parent] += 1
        try:
            self._graph.create(rw.cache_id, init)
        except BaseException:
            self.remove_rw(container_id)
            raise

    def _init_layer(self, parent: str | None) -> str:
        """The cache id of the init layer on top of `parent`. Called with the lock held."""
        key = parent or ""
        found = self._init.get(key)
        if found is not None:
            return found
        cache_id = self._announce_tree()
        self._graph.create(cache_id, self.get(parent).cache_id if parent else None)
        initlayer.populate(self._graph.mount(cache_id))
        self._graph.unmount(cache_id)
        with self._db.transaction() as tx:
            tx.execute("INSERT INTO init_layers VALUES (?, ?)", (key, cache_id))
            tx.execute("DELETE FROM layer_trees_pending WHERE cache_id = ?", (cache_id,))
        self._init[key] = cache_id
        return cache_id

    def get_rw(self, container_id: str) -> RwLayer:
        """The container's rw layer; NotFound."""
        rw = self._rw.get(container_id)
        if rw is None:
            raise NotFound(f"no rw layer for container {container_id}")
        return rw

    def list_rw(self) -> list[str]:
        """The container ids that have a rw layer."""
        with self._lock:
            return [*self._rw]

    def mount_rw(self, container_id: str) -> Path:
        """Mount it (counted) and return the root directory."""
        return self._graph.mount(self.get_rw(container_id).cache_id)

    def unmount_rw(self, container_id: str) -> None:
        """Undo one mount_rw; nothing happens if the layer is gone."""
        rw = self._rw.get(container_id)
        if rw is not None:
            self._graph.unmount(rw.cache_id)

    def remove_rw(self, container_id: str) -> None:
        """Delete it, mounted or not; a missing one is no error."""
        rw = self._rw.get(container_id)
        if rw is None:
            return
        self._graph.remove(rw.cache_id)
        with self._lock, self._db.transaction() as tx:
            tx.execute("DELETE FROM rw_layers WHERE container_id = ?", (container_id,))
            self._forget_rw(rw)
        self._collect(rw.parent)

    def _forget_rw(self, rw: RwLayer) -> None:
        if self._rw.pop(rw.container_id, None) is not None and rw.parent:
            self._children[rw.parent] -= 1

    def size_rw(self, container_id: str) -> int:
        """Bytes that the container has written (SizeRw)."""
        return self._graph.size(self.get_rw(container_id).cache_id)

    def size_rootfs(self, container_id: str) -> int:
        """Bytes of the rw layer and all below it (SizeRootFs)."""
        return self.size_rw(container_id) + self.total_size(self.get_rw(container_id).parent)

    def total_size(self, chain: str | None) -> int:
        """Bytes of a layer and all below it."""
        total = 0
        while chain:
            layer = self.get(chain)
            total += layer.size
            chain = layer.parent
        return total

    def metadata_rw(self, container_id: str) -> dict[str, str]:
        """The graph driver's directories of a container, for inspect."""
        return self._graph.metadata(self.get_rw(container_id).cache_id)

    def changes_rw(self, container_id: str) -> list[Change]:
        """What the container changed of its image."""
        rw = self.get_rw(container_id)
        return self._graph.changes(rw.cache_id, self._init[rw.parent or ""])

    def diff_rw(self, container_id: str) -> BinaryIO:
        """The same as a layer archive."""
        rw = self.get_rw(container_id)
        return self._graph.diff(rw.cache_id, self._init[rw.parent or ""])

    def export_rw(self, container_id: str) -> BinaryIO:
        """The container's whole file system as an archive (`docker export`)."""
        return stream(self._export(container_id))

    def _export(self, container_id: str) -> Iterator[bytes]:
        root = self.mount_rw(container_id)
        try:
            yield from pack_entries(root, PackOptions())
        finally:
            self.unmount_rw(container_id)

    def commit_rw(self, container_id: str, *, consume: bool = False, hold: bool = False) -> Layer:
        """Make a read-only layer of what the container changed.

        consume: the rw layer is given up for it (a build step), which saves copying the files; it must
        not be mounted by anyone any more. Otherwise it stays as it is.
        """
        rw = self.get_rw(container_id)
        if not consume or not isinstance(self._graph, TreeAdopter):
            with self.diff_rw(container_id) as tar:
                layer = self.register(tar, rw.parent, hold=hold)
            if consume:
                self.remove_rw(container_id)
            return layer
        hashing = HashingReader(self.diff_rw(container_id))
        hashing.drain()
        hashing.close()
        diff_id = hashing.digest()
        size = self._graph.size(rw.cache_id)
        cache_id = self._announce_tree()
        layer = Layer(chain_id(rw.parent, diff_id), diff_id, rw.parent, size, cache_id, hashing.count)
        parent_cache = self.get(rw.parent).cache_id if rw.parent else None
        try:
            self._graph.adopt(cache_id, parent_cache, rw.cache_id)
        except BaseException:
            self._drop_tree(cache_id)
            raise
        layer = self._adopt(layer, None, hold, rw)
        self.remove_rw(container_id)
        return layer
