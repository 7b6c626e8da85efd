"""Images by id or reference, and the names that point at them.

An image is its config (a JSON blob in the content store; the image id is that blob's digest) and
the layers it lists. Everything is kept in memory and written through to engine.db, so looking
something up never touches the disk.
"""

from __future__ import annotations

import builtins
import hashlib
import json
import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.db import Database
from engine.errdefs import Conflict, DockyardError, InvalidParameter, NotFound, SystemFailure
from engine.image import reference as grammar
from engine.image.content import ContentStore
from engine.image.reference import Reference
from engine.layer.store import LayerStore, chain_of

_log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS images (
    id TEXT PRIMARY KEY, parent TEXT NOT NULL, tagged_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS image_references (
    reference TEXT PRIMARY KEY, image_id TEXT NOT NULL REFERENCES images(id));
CREATE TABLE IF NOT EXISTS image_manifests (
    image_id TEXT PRIMARY KEY REFERENCES images(id), digest TEXT NOT NULL, media_type TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS layer_blobs (
    diff_id TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (diff_id, digest));
"""


@dataclass(frozen=True)
class Image:
    """One image. config is its OCI image config and must not be changed; size counts all layers.

    chain_id is None for an image without layers; parent is "" unless it was built here on another one.
    """

    id: str
    config: dict[str, Any] = field(repr=False)
    chain_id: str | None
    parent: str
    size: int
    created: str

    @property
    def diff_ids(self) -> list[str]:
        """The layers' diff ids, base first."""
        return list((self.config.get("rootfs") or {}).get("diff_ids") or [])

    @property
    def runtime_config(self) -> dict[str, Any]:
        """The `config` member: Env, Cmd, Entrypoint and the like."""
        return self.config.get("config") or {}


@dataclass(frozen=True)
class LayerBlob:
    """A layer as a registry has it: the digest and size of the (compressed) blob."""

    digest: str
    media_type: str
    size: int


class ImageStore:
    """See the module's text. Safe to call from any thread; every method may block for a disk write.

    root: the data root; blobs lie in `<root>/blobs`. Opening the store takes the images' holds on their
    layers and then removes layers that nobody holds.
    """

    def __init__(self, root: Path, db: Database, layers: LayerStore) -> None:
        self.content = ContentStore(root)
        self.layers = layers
        self._db = db
        self._lock = threading.RLock()
        self._images: dict[str, Image] = {}
        self._tagged_at: dict[str, float] = {}
        self._references: dict[str, str] = {}
        self._names: dict[str, set[str]] = {}  # image id → references
        self._children: dict[str, set[str]] = {}
        db.script(_SCHEMA)
        self._load()

    def _load(self) -> None:
        for image_id, parent, tagged_at in self._db.query("SELECT id, parent, tagged_at FROM images"):
            try:
                image = self._make(image_id, parse_config(self._verified(image_id)), parent)
            except DockyardError as exc:
                _log.warning("image %s is damaged and is forgotten: %s", image_id, exc)
                self._forget(image_id)
                continue
            self._add(image, tagged_at)
            if image.chain_id:
                self.layers.hold(image.chain_id)
        for name, image_id in self._db.query("SELECT reference, image_id FROM image_references"):
            self._references[name] = image_id
            self._names[image_id].add(name)
        self.layers.collect_garbage()
        self._sweep()

    def _sweep(self) -> None:
        """Delete blobs that nothing refers to: a pull that was cut short left them."""
        kept = set(self._images)
        kept.update(digest for (digest,) in self._db.query("SELECT digest FROM layer_blobs"))
        kept.update(digest for (digest,) in self._db.query("SELECT digest FROM image_manifests"))
        for digest in self.content.list():
            if digest not in kept:
                self.content.remove(digest)

    def _verified(self, image_id: str) -> bytes:
        """A config's bytes: after a power cut the file may be there without its content."""
        raw = self.content.read(image_id)
        if "sha256:" + hashlib.sha256(raw).hexdigest() != image_id:
            raise SystemFailure("its config is not what its digest says")
        return raw

    def _forget(self, image_id: str) -> None:
        with self._db.transaction() as tx:
            tx.execute("DELETE FROM image_references WHERE image_id = ?", (image_id,))
            tx.execute("DELETE FROM image_manifests WHERE image_id = ?", (image_id,))
            tx.execute("DELETE FROM images WHERE id = ?", (image_id,))

    def _make(self, image_id: str, config: dict[str, Any], parent: str) -> Image:
        chain = chain_of(list((config.get("rootfs") or {}).get("diff_ids") or []))
        size = self.layers.total_size(chain)
        return Image(image_id, config, chain, parent, size, config.get("created") or "")

    def _add(self, image: Image, tagged_at: float) -> None:
        self._images[image.id] = image
        self._tagged_at[image.id] = tagged_at
        self._names.setdefault(image.id, set())
        if image.parent:
            self._children.setdefault(image.parent, set()).add(image.id)

    # Looking up

    def get(self, image_id: str) -> Image:
        """By its whole id; NotFound."""
        image = self._images.get(image_id)
        if image is None:
            raise NotFound(f"No such image: {image_id}")
        return image

    def resolve(self, reference: str) -> Image:
        """By name[:tag], name@digest, id or the beginning of an id.

        NotFound "No such image: x:latest"; InvalidParameter "invalid reference format".
        """
        if grammar.is_image_id(reference):
            image_id = reference if reference.startswith("sha256:") else f"sha256:{reference}"
            return self.get(image_id)
        found = self._by_prefix(reference) if reference.startswith("sha256:") else None
        if found is not None:
            return found
        ref = grammar.parse(reference).canonical()
        with self._lock:
            image_id = self._references.get(str(ref), "")
            found = self._images.get(image_id) or self._by_prefix(reference)
        if found is None:
            raise NotFound(f"No such image: {ref.familiar}")
        return found

    def _by_prefix(self, text: str) -> Image | None:
        prefix = text.removeprefix("sha256:")
        if not prefix or not set(prefix) <= set("0123456789abcdef"):
            return None
        with self._lock:
            found = [image for key, image in self._images.items() if key.startswith(prefix, 7)]
        return found[0] if len(found) == 1 else None

    def list(self) -> builtins.list[Image]:
        """All images, intermediate ones of builds too."""
        with self._lock:
            return [*self._images.values()]

    def references(self, image_id: str) -> builtins.list[str]:
        """All names of an image in full form (docker.io/library/x:latest, …@sha256:…), sorted."""
        with self._lock:
            return sorted(self._names.get(image_id, ()))

    def repo_tags(self, image_id: str) -> builtins.list[str]:
        """The names with a tag, as people write them (the API's RepoTags)."""
        return [grammar.parse(name).familiar for name in self.references(image_id) if "@" not in name]

    def repo_digests(self, image_id: str) -> builtins.list[str]:
        """The names with a digest, as people write them (the API's RepoDigests)."""
        return [grammar.parse(name).familiar for name in self.references(image_id) if "@" in name]

    def find_reference(self, reference: str) -> str | None:
        """The image id a name points at; None."""
        return self._references.get(str(grammar.parse(reference).canonical()))

    def find_reference_or_none(self, text: str) -> str | None:
        """The same for text that may be no reference at all."""
        try:
            return self.find_reference(text)
        except InvalidParameter:
            return None

    def has(self, image_id: str) -> bool:
        """Whether such an image is there."""
        return image_id in self._images

    def children(self, image_id: str) -> builtins.list[str]:
        """Images that were built on this one."""
        with self._lock:
            return sorted(self._children.get(image_id, ()))

    def tagged_at(self, image_id: str) -> float:
        """When it last got a tag, seconds since the epoch; 0 for never."""
        return self._tagged_at.get(image_id, 0.0)

    # Changing

    def create(self, config: dict[str, Any], *, parent: str = "") -> Image:
        """Make an image of an OCI image config whose layers are registered.

        The same config is the same image: a second call returns the first one.
        """
        return self.create_raw(json.dumps(config, separators=(",", ":"), ensure_ascii=False).encode(), parent)

    def create_raw(self, raw: bytes, parent: str = "") -> Image:
        """The same from the config's exact bytes, which give the id. NotFound if a layer is missing."""
        config = parse_config(raw)
        with self._lock:
            image_id = self.content.put(raw)
            known = self._images.get(image_id)
            if known is not None:
                return known
            image = self._make(image_id, config, parent if parent in self._images else "")
            if image.chain_id:
                self.layers.hold(image.chain_id)
            with self._db.transaction() as tx:
                tx.execute("INSERT INTO images VALUES (?, ?, 0)", (image_id, image.parent))
            self._add(image, 0.0)
            return image

    def tag(self, image_id: str, reference: str | Reference) -> None:
        """Point a name (`:latest` if it has no tag) at an image, wherever it pointed before. NotFound."""
        ref = grammar.parse(reference) if isinstance(reference, str) else reference
        name, now = str(ref.canonical()), time.time()
        with self._lock:
            self.get(image_id)
            before = self._references.get(name)
            with self._db.transaction() as tx:
                tx.execute("INSERT OR REPLACE INTO image_references VALUES (?, ?)", (name, image_id))
                if not ref.digest:
                    tx.execute("UPDATE images SET tagged_at = ? WHERE id = ?", (now, image_id))
            if before is not None:
                self._names[before].discard(name)
            self._references[name] = image_id
            self._names[image_id].add(name)
            if not ref.digest:
                self._tagged_at[image_id] = now

    def untag(self, reference: str) -> str:
        """Take a name away; returns the id it pointed at. NotFound."""
        ref = grammar.parse(reference).canonical()
        with self._lock:
            image_id = self._references.get(str(ref))
            if image_id is None:
                raise NotFound(f"No such image: {ref.familiar}")
            with self._db.transaction() as tx:
                tx.execute("DELETE FROM image_references WHERE reference = ?", (str(ref),))
            del self._references[str(ref)]
            self._names[image_id].discard(str(ref))
            return image_id

    def delete(self, image_id: str) -> builtins.list[str]:
        """Remove an image and its names, and the layers nobody else needs; returns those layers' chain ids.

        Conflict if another image was built on it. Whether a container uses it is the caller's to
        ask (`engine.image.remove`). An unknown id is no error.
        """
        with self._lock:
            image = self._images.get(image_id)
            if image is None:
                return []
            if self._children.get(image_id):
                raise Conflict(f"image {image_id} has dependent child images")
            manifest = self._db.query("SELECT digest FROM image_manifests WHERE image_id = ?", (image_id,))
            self._forget(image_id)
            for name in self._names.pop(image_id, ()):
                self._references.pop(name, None)
            del self._images[image_id]
            self._tagged_at.pop(image_id, None)
            if image.parent in self._children:
                self._children[image.parent].discard(image_id)
        self.content.remove(image_id)
        for (digest,) in manifest:
            self.content.remove(digest)
        self._drop_blobs(image.diff_ids)
        return self.layers.release(image.chain_id) if image.chain_id else []

    # Blobs that layers came in, or were pushed as

    def add_blob(self, diff_id: str, blob: LayerBlob) -> None:
        """Remember that a layer exists as this blob."""
        with self._db.transaction() as tx:
            tx.execute(
                "INSERT OR REPLACE INTO layer_blobs VALUES (?, ?, ?, ?)",
                (diff_id, blob.digest, blob.media_type, blob.size),
            )

    def set_manifest(self, image_id: str, media_type: str, raw: bytes) -> str:
        """Remember the manifest an image came or went with; returns its digest."""
        digest = self.content.put(raw)
        with self._db.transaction() as tx:
            tx.execute(
                "INSERT OR REPLACE INTO image_manifests VALUES (?, ?, ?)", (image_id, digest, media_type)
            )
        return digest

    def manifest(self, image_id: str) -> tuple[str, bytes] | None:
        """The media type and bytes of that manifest; None for an image that no registry has seen."""
        for digest, media_type in self._db.query(
            "SELECT digest, media_type FROM image_manifests WHERE image_id = ?", (image_id,)
        ):
            if self.content.has(digest):
                return media_type, self.content.read(digest)
        return None

    def blobs(self, diff_id: str) -> builtins.list[LayerBlob]:
        """The blobs known of a layer that are still in the content store."""
        rows = self._db.query(
            "SELECT digest, media_type, size FROM layer_blobs WHERE diff_id = ?", (diff_id,)
        )
        return [blob for blob in (LayerBlob(*row) for row in rows) if self.content.has(blob.digest)]

    def _drop_blobs(self, diff_ids: Iterable[str]) -> None:
        with self._lock:
            used = {diff_id for image in self._images.values() for diff_id in image.diff_ids}
            for diff_id in set(diff_ids) - used:
                for blob in self.blobs(diff_id):
                    self.content.remove(blob.digest)
                with self._db.transaction() as tx:
                    tx.execute("DELETE FROM layer_blobs WHERE diff_id = ?", (diff_id,))


def parse_config(raw: bytes) -> dict[str, Any]:
    """An image config from its bytes. InvalidParameter if it is none."""
    try:
        config = json.loads(raw)
    except ValueError as exc:
        raise InvalidParameter(f"invalid image config: {exc}") from exc
    rootfs = config.get("rootfs") if isinstance(config, dict) else None
    diff_ids = (rootfs.get("diff_ids") or []) if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list) or not all(
        isinstance(d, str) and grammar.is_digest(d) for d in diff_ids
    ):
        raise InvalidParameter("invalid image config: rootfs.diff_ids is missing or malformed")
    if not isinstance(config.get("config") or {}, dict) or not isinstance(config.get("history") or [], list):
        raise InvalidParameter("invalid image config: config must be an object and history a list")
    return config  # type: ignore[no-any-return]
