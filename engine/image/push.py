"""`docker push`: layers the registry lacks, then the config, then the manifest under its tag."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any, BinaryIO

from engine.errdefs import NotFound, SystemFailure
from engine.image import reference as grammar
from engine.image.distribution import Distribution, Meter, Progress, say, short
from engine.image.mediatypes import DOCKER_CONFIG, DOCKER_LAYER_GZIP, DOCKER_MANIFEST, OCI_MANIFEST
from engine.image.reference import Reference
from engine.image.store import Image, LayerBlob
from engine.layer.hashing import HashingReader
from engine.layer.store import Layer
from engine.registry.auth import ANONYMOUS, Credentials
from engine.registry.client import Repository
from engine.registry.errors import RegistryError, push_error

_CHUNK = 1 << 20


async def push(ref: Reference, auth: Credentials | None, ctx: Distribution, progress: Progress) -> None:
    """Push a tag, or every tag of the repository if none is given.

    NotFound "An image does not exist locally with the tag: …"; the registry's refusals as docker words them.
    """
    progress({"status": f"The push refers to repository [{ref.name}]"})
    targets = _targets(ctx, ref)

    async def work(repository: Repository) -> None:
        for target, image in targets:
            await _Push(target, image, ctx, progress, repository).run()

    try:
        await ctx.reach(ref, auth or ANONYMOUS, "pull,push", work)
    except RegistryError as exc:
        raise push_error(exc) from exc


def _targets(ctx: Distribution, ref: Reference) -> list[tuple[Reference, Image]]:
    found = []
    for image in ctx.store.list():
        for name in ctx.store.references(image.id):
            known = grammar.parse(name)
            if known.name == ref.name and known.tag and known.tag == (ref.tag or known.tag):
                found.append((known, image))
    if not found:
        raise NotFound(f"An image does not exist locally with the tag: {ref.familiar_name}")
    return sorted(found, key=lambda pair: pair[0].tag)


class _Push:
    def __init__(
        self, ref: Reference, image: Image, ctx: Distribution, progress: Progress, repository: Repository
    ) -> None:
        self._ref = ref
        self._image = image
        self._ctx = ctx
        self._store = ctx.store
        self._progress = progress
        self._repository = repository

    async def run(self) -> None:
        layers = self._stack()
        for layer in reversed(layers):
            say(self._progress, "Preparing", short(layer.diff_id))
        config = await asyncio.to_thread(self._store.content.read, self._image.id)
        known = self._known_manifest()
        held = [self._store.layers.hold(layer.chain_id) for layer in layers]
        try:
            blobs = await self._send_layers(layers, known)
        finally:
            for layer in held:
                await asyncio.shield(asyncio.to_thread(self._store.layers.release, layer.chain_id))
        if not await self._repository.has_blob(self._image.id):
            await self._repository.upload(self._image.id, len(config), _once(config))
        media_type, raw = known or (DOCKER_MANIFEST, _manifest(self._image.id, len(config), blobs))
        await self._repository.put_manifest(self._ref.tag, media_type, raw)
        await asyncio.to_thread(self._record, media_type, raw)
        digest, size = HashingReader.of(raw), len(raw)
        say(self._progress, f"{self._ref.tag}: digest: {digest} size: {size}")
        self._progress({"progressDetail": {}, "aux": {"Tag": self._ref.tag, "Digest": digest, "Size": size}})

    def _record(self, media_type: str, raw: bytes) -> None:
        digest = self._store.set_manifest(self._image.id, media_type, raw)
        self._store.tag(self._image.id, self._ref.with_digest(digest))

    def _stack(self) -> list[Layer]:
        found: list[Layer] = []
        chain = self._image.chain_id
        while chain:
            layer = self._store.layers.get(chain)
            found.append(layer)
            chain = layer.parent
        return found[::-1]

    def _known_manifest(self) -> tuple[str, bytes] | None:
        """The manifest the image came with, if all its blobs are still here to be sent."""
        known = self._store.manifest(self._image.id)
        if known is None or known[0] not in (DOCKER_MANIFEST, OCI_MANIFEST):
            return None
        listed = [entry["digest"] for entry in json.loads(known[1])["layers"]]
        return known if all(self._store.content.has(digest) for digest in listed) else None

    async def _send_layers(self, layers: list[Layer], known: tuple[str, bytes] | None) -> list[LayerBlob]:
        listed = [entry["digest"] for entry in json.loads(known[1])["layers"]] if known else []
        wanted = listed or [""] * len(layers)
        tasks = [
            asyncio.create_task(self._send(layer, digest))
            for layer, digest in zip(layers, wanted, strict=True)
        ]
        try:
            return [await task for task in tasks]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, layer: Layer, digest: str) -> LayerBlob:
        name = short(layer.diff_id)
        if self._ctx.uploads.locked():
            say(self._progress, "Waiting", name)
        async with self._ctx.uploads, self._ctx.alone("push " + layer.diff_id):
            blob = await asyncio.to_thread(self._blob, layer, digest)
            if await self._repository.has_blob(blob.digest):
                say(self._progress, "Layer already exists", name)
                return blob
            meter = Meter(self._progress, "Pushing", name, blob.size)
            with self._store.content.open(blob.digest) as file:
                await self._repository.upload(blob.digest, blob.size, _pieces(file, meter))
            say(self._progress, "Pushed", name)
            return blob

    def _blob(self, layer: Layer, digest: str) -> LayerBlob:
        """The layer as a blob of the content store, compressed now if it never was."""
        for known in self._store.blobs(layer.diff_id):
            if not digest or known.digest == digest:
                return known
        blob = self._compress(layer)
        self._store.add_blob(layer.diff_id, blob)
        return blob

    def _compress(self, layer: Layer) -> LayerBlob:
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        with self._store.layers.tar(layer.chain_id) as tar, self._store.content.writer() as writer:
            source = HashingReader(tar)
            while data := source.read(_CHUNK):
                writer.write(packer.compress(data))
            writer.write(packer.flush())
            if source.digest() != layer.diff_id:
                raise SystemFailure(
                    f"layer {layer.diff_id} was changed on disk: its archive is {source.digest()} now"
                )
            return LayerBlob(writer.commit(), DOCKER_LAYER_GZIP, writer.size)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _pieces(file: BinaryIO, meter: Meter) -> AsyncIterator[bytes]:
    while data := await asyncio.to_thread(file.read, _CHUNK):
        meter.add(len(data))
        yield data


def _manifest(config: str, size: int, blobs: list[LayerBlob]) -> bytes:
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": {"mediaType": DOCKER_CONFIG, "size": size, "digest": config},
        "layers": [{"mediaType": DOCKER_LAYER_GZIP, "size": b.size, "digest": b.digest} for b in blobs],
    }
    return json.dumps(document, indent=3).encode()
