"""`docker load`: a docker archive or an OCI image layout, plain or compressed, back into images."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from engine.errdefs import InvalidParameter, NotFound
from engine.image import reference as grammar
from engine.image.make import architecture
from engine.image.mediatypes import CONFIGS, INDEXES, MANIFESTS
from engine.image.store import Image, ImageStore, parse_config
from engine.layer.compression import decompress
from engine.layer.confine import open_in_root
from engine.layer.store import chain_id
from engine.layer.unpack import UnpackOptions, unpack

Progress = Callable[[dict[str, Any]], None]
_MAX_DOCUMENT = 8 << 20


def load(store: ImageStore, source: BinaryIO, progress: Progress, *, scratch: Path) -> list[Image]:
    """Load all images of an archive; progress takes the API's messages ({"stream": "Loaded image: …"}).

    scratch: a directory on the data root's file system, where the archive is laid out meanwhile.
    InvalidParameter if it is no archive of images, or one of its layers is not what its config says.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    with _laid_out(source, scratch) as tree:
        if tree.has("manifest.json"):
            return [_docker(store, tree, item, progress) for item in tree.items("manifest.json")]
        if tree.has("index.json"):
            return _layout(store, tree, progress)
    raise InvalidParameter("the archive holds no images: neither manifest.json nor index.json is in it")


class _Tree:
    """The unpacked archive; links inside it lead nowhere outside."""

    def __init__(self, root: Path) -> None:
        self._fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self._fd)

    def open(self, name: str) -> BinaryIO:
        try:
            return os.fdopen(open_in_root(self._fd, name, os.O_RDONLY | os.O_NONBLOCK), "rb")
        except OSError as exc:
            raise InvalidParameter(f"invalid archive: {name!r}: {exc.strerror}") from exc

    def has(self, name: str) -> bool:
        try:
            self.open(name).close()
        except InvalidParameter:
            return False
        return True

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            data = file.read(_MAX_DOCUMENT + 1)
        if len(data) > _MAX_DOCUMENT:
            raise InvalidParameter(f"invalid archive: {name!r} is larger than {_MAX_DOCUMENT} bytes")
        return data

    def json(self, name: str) -> Any:
        try:
            return json.loads(self.read(name))
        except ValueError as exc:
            raise InvalidParameter(f"invalid archive: {name!r} is not JSON: {exc}") from exc

    def items(self, name: str) -> list[dict[str, Any]]:
        found = self.json(name)
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise InvalidParameter(f"invalid archive: {name!r} is not a list of objects")
        return found


@contextmanager
def _laid_out(source: BinaryIO, scratch: Path) -> Iterator[_Tree]:
    directory = Path(tempfile.mkdtemp(prefix="load-", dir=scratch))
    try:
        with decompress(source) as plain:
            unpack(plain, directory, UnpackOptions(owner=(0, 0)))
        tree = _Tree(directory)
        try:
            yield tree
        finally:
            tree.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _docker(store: ImageStore, tree: _Tree, item: dict[str, Any], progress: Progress) -> Image:
    config, paths, tags = item.get("Config"), item.get("Layers") or [], item.get("RepoTags") or []
    if not isinstance(config, str) or not _strings(paths) or not _strings(tags):
        raise InvalidParameter("invalid archive: an element of manifest.json is malformed")
    refs = [grammar.parse(tag) for tag in tags]
    image = _image(store, tree, tree.read(config), paths, progress)
    _announce(store, image, refs, progress)
    return image


def _strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _layout(store: ImageStore, tree: _Tree, progress: Progress) -> list[Image]:
    images: list[Image] = []
    for descriptor in _descriptors(tree.json("index.json"), "manifests"):
        manifest = _choose(tree, descriptor)
        if manifest is None:
            continue
        config = manifest.get("config") or {}
        if config.get("mediaType") not in CONFIGS:
            continue  # an artifact, not an image
        paths = [_blob(layer) for layer in _descriptors(manifest, "layers")]
        image = _image(store, tree, tree.read(_blob(config)), paths, progress)
        _announce(store, image, _names(descriptor), progress)
        images.append(image)
    if not images:
        raise InvalidParameter("the archive holds no image for this platform")
    return images


def _choose(tree: _Tree, descriptor: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest behind a descriptor; of an index, the one for this machine."""
    kind = descriptor.get("mediaType")
    if kind in MANIFESTS:
        document = tree.json(_blob(descriptor))
        return document if isinstance(document, dict) else None
    if kind not in INDEXES:
        return None
    inner = _descriptors(tree.json(_blob(descriptor)), "manifests")
    for candidate in inner:
        platform = candidate.get("platform") or {}
        if platform.get("os", "linux") == "linux" and platform.get("architecture", "") == architecture():
            return _choose(tree, candidate)
    return _choose(tree, inner[0]) if len(inner) == 1 else None


def _descriptors(document: Any, key: str) -> list[dict[str, Any]]:
    found = document.get(key) if isinstance(document, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise InvalidParameter(f"invalid archive: a list of {key} is missing or malformed")
    return found


def _blob(descriptor: dict[str, Any]) -> str:
    digest = descriptor.get("digest")
    if not isinstance(digest, str) or not grammar.is_digest(digest):
        raise InvalidParameter(f"invalid archive: {digest!r} is no sha256 digest")
    return "blobs/sha256/" + digest.removeprefix("sha256:")


def _names(descriptor: dict[str, Any]) -> list[grammar.Reference]:
    annotations = descriptor.get("annotations") or {}
    name = annotations.get("io.containerd.image.name") or annotations.get("org.opencontainers.image.ref.name")
    if not isinstance(name, str) or not name:
        return []
    try:
        ref = grammar.parse(name)
    except InvalidParameter:
        return []
    # a bare tag is what the layout's own spec puts there: no repository to give it to
    known = "io.containerd.image.name" in annotations or "/" in name or ":" in name
    return [ref] if known else []


def _image(store: ImageStore, tree: _Tree, raw: bytes, paths: list[str], progress: Progress) -> Image:
    config = parse_config(raw)
    diff_ids = (config.get("rootfs") or {}).get("diff_ids") or []
    if len(diff_ids) != len(paths):
        raise InvalidParameter(
            f"invalid manifest, layers length mismatch: expected {len(diff_ids)}, got {len(paths)}"
        )
    chain: str | None = None
    try:
        for number, (path, expected) in enumerate(zip(paths, diff_ids, strict=True)):
            layer = _layer(store, tree, path, chain, expected, progress)
            if chain is not None:
                store.layers.release(chain)
            chain = layer[0]
            if layer[1] != expected:
                raise InvalidParameter(
                    f'invalid diffID for layer {number}: expected "{expected}", got "{layer[1]}"'
                )
        return store.create_raw(raw)
    finally:
        if chain is not None:
            store.layers.release(chain)


def _layer(
    store: ImageStore, tree: _Tree, path: str, parent: str | None, expected: str, progress: Progress
) -> tuple[str, str]:
    """Register one layer and hold it, or find it there already; returns chain id and diff id."""
    known = chain_id(parent, expected)
    try:
        return store.layers.hold(known).chain_id, expected
    except NotFound:
        pass
    with tree.open(path) as file:
        total = os.fstat(file.fileno()).st_size
        with decompress(_Counted(file, total, expected[7:19], progress)) as plain:  # type: ignore[arg-type]
            layer = store.layers.register(plain, parent, hold=True)
    return layer.chain_id, layer.diff_id


class _Counted:
    """A file that reports how far it has been read, every half megabyte and at the end."""

    def __init__(self, file: BinaryIO, total: int, name: str, progress: Progress) -> None:
        self._file = file
        self._total = total
        self._name = name
        self._progress = progress
        self._told = -1
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._at += len(data)
        if self._at - self._told > 1 << 19 or (not data and self._told != self._at):
            self._told = self._at
            detail = {"current": self._at, "total": self._total}
            self._progress({"status": "Loading layer", "progressDetail": detail, "id": self._name})
        return data

    def close(self) -> None:
        self._file.close()


def _announce(store: ImageStore, image: Image, refs: list[grammar.Reference], progress: Progress) -> None:
    for ref in refs:
        before = store.find_reference(str(ref))
        if before not in (None, image.id):
            progress(
                {
                    "stream": f"The image {ref.with_default_tag().familiar} already exists, "
                    f"renaming the old one with ID {before} to empty string\n"
                }
            )
        store.tag(image.id, ref)
        progress({"stream": f"Loaded image: {ref.with_default_tag().familiar}\n"})
    if not refs:
        progress({"stream": f"Loaded image ID: {image.id}\n"})
