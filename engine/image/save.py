"""`docker save`: images as one archive that is a docker archive and an OCI image layout at once.

    oci-layout, index.json            what OCI tools read
    manifest.json, repositories       what docker reads
    blobs/sha256/<hex>                configs, manifests, and layers as uncompressed archives

A layer leaves with the very bytes its diff id was made of, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from engine.errdefs import InvalidParameter, NotFound, SystemFailure
from engine.image import reference as grammar
from engine.image.mediatypes import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from engine.image.reference import Reference
from engine.image.store import Image, ImageStore
from engine.layer.hashing import HashingReader
from engine.layer.pack import TRAILER, raw_header, stream
from engine.layer.store import Layer
from engine.layer.tarread import BLOCK, CHUNK


@dataclass(slots=True)
class _Choice:
    image: Image
    tags: list[Reference] = field(default_factory=list)


def save(store: ImageStore, names: Sequence[str]) -> BinaryIO:
    """The archive of all images named, as a stream. NotFound for an unknown name, before anything is sent."""
    return stream(_archive(store, _choose(store, names)))


def _choose(store: ImageStore, names: Sequence[str]) -> list[_Choice]:
    """A name without a tag means all tags of the repository; an id carries no name."""
    chosen: dict[str, _Choice] = {}
    for name in names:
        for image, ref in _meant(store, name):
            choice = chosen.setdefault(image.id, _Choice(image))
            if ref is not None and ref not in choice.tags:
                choice.tags.append(ref)
    return list(chosen.values())


def _meant(store: ImageStore, name: str) -> list[tuple[Image, Reference | None]]:
    if not grammar.is_image_id(name):
        try:
            ref = grammar.parse(name)
        except InvalidParameter:
            return [(store.resolve(name), None)]
        if ref.name_only:
            tags = [(i, r) for i in store.list() for r in _tags_in(store, i, ref)]
            if tags:
                return list(tags)
        elif store.find_reference(name) is not None:
            return [(store.resolve(name), None if ref.digest else ref)]
    return [(store.resolve(name), None)]


def _tags_in(store: ImageStore, image: Image, repository: Reference) -> list[Reference]:
    refs = (grammar.parse(name) for name in store.references(image.id))
    return [ref for ref in refs if ref.tag and ref.name == repository.name]


def _archive(store: ImageStore, choices: list[_Choice]) -> Iterator[bytes]:
    yield raw_header("blobs/", "5", mode=0o755)
    yield raw_header("blobs/sha256/", "5", mode=0o755)
    sent: set[str] = set()
    manifests: list[dict[str, Any]] = []
    descriptors: list[dict[str, Any]] = []
    repositories: dict[str, dict[str, str]] = {}
    for choice in choices:
        layers = _layers(store, choice.image)
        for layer in layers:
            if layer.diff_id not in sent:
                sent.add(layer.diff_id)
                yield from _layer(store, layer)
        config = store.content.read(choice.image.id)
        manifest = _encode(_oci_manifest(choice.image.id, len(config), layers))
        for data in (config, manifest):
            if (digest := HashingReader.of(data)) not in sent:
                sent.add(digest)
                yield from _file(_blob(digest), data)
        descriptors.extend(_descriptors(choice, HashingReader.of(manifest), len(manifest)))
        manifests.append(
            {
                "Config": _blob(choice.image.id),
                "RepoTags": [ref.familiar for ref in choice.tags] or None,
                "Layers": [_blob(layer.diff_id) for layer in layers],
            }
        )
        for ref in choice.tags:
            top = layers[-1].diff_id.removeprefix("sha256:") if layers else ""
            repositories.setdefault(ref.familiar_name, {})[ref.tag] = top
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors}
    yield from _file("index.json", _encode(index))
    yield from _file("manifest.json", _encode(manifests))
    yield from _file("oci-layout", _encode({"imageLayoutVersion": "1.0.0"}))
    if repositories:
        yield from _file("repositories", _encode(repositories))
    yield TRAILER


def _layers(store: ImageStore, image: Image) -> list[Layer]:
    found: list[Layer] = []
    chain = image.chain_id
    while chain:
        layer = store.layers.get(chain)
        found.append(layer)
        chain = layer.parent
    return found[::-1]


def _oci_manifest(config_id: str, config_size: int, layers: list[Layer]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": config_id, "size": config_size},
        "layers": [{"mediaType": OCI_LAYER, "digest": x.diff_id, "size": x.tar_size} for x in layers],
    }


def _descriptors(choice: _Choice, digest: str, size: int) -> Iterator[dict[str, Any]]:
    plain: dict[str, Any] = {"mediaType": OCI_MANIFEST, "digest": digest, "size": size}
    if not choice.tags:
        yield plain
    for ref in choice.tags:
        names = {"io.containerd.image.name": str(ref), "org.opencontainers.image.ref.name": ref.tag}
        yield {**plain, "annotations": names}


def _layer(store: ImageStore, layer: Layer) -> Iterator[bytes]:
    yield raw_header(_blob(layer.diff_id), "0", size=layer.tar_size)
    with store.layers.tar(layer.chain_id) as tar:
        source = HashingReader(tar)
        while data := source.read(CHUNK):
            yield data
        if source.digest() != layer.diff_id:
            raise SystemFailure(
                f"layer {layer.diff_id} was changed on disk: its archive is {source.digest()}"
            )
    yield bytes(-layer.tar_size % BLOCK)


def _file(name: str, data: bytes) -> Iterator[bytes]:
    yield raw_header(name, "0", size=len(data))
    yield data + bytes(-len(data) % BLOCK)


def _blob(digest: str) -> str:
    return "blobs/sha256/" + digest.removeprefix("sha256:")


def _encode(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def check_names(store: ImageStore, names: Sequence[str]) -> None:
    """Raise what `save` would, without starting it."""
    if not names:
        raise NotFound("no image was named")
    _choose(store, names)
