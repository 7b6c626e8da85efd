"""`docker pull`: manifest, config, layers side by side, then the image and its names."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from engine.errdefs import InvalidParameter, NotFound, SystemFailure, Unsupported
from engine.image import reference as grammar
from engine.image.distribution import ATTEMPTS, Distribution, Meter, Progress, say, short
from engine.image.make import architecture
from engine.image.mediatypes import DOCKER_MANIFEST_1, INDEXES, MANIFESTS
from engine.image.reference import Reference
from engine.image.store import Image, LayerBlob, parse_config
from engine.layer.compression import decompress
from engine.layer.hashing import HashingReader
from engine.layer.store import Layer, chain_id
from engine.registry.auth import ANONYMOUS, Credentials
from engine.registry.client import Manifest, Repository
from engine.registry.errors import RegistryError, Unreachable, pull_error

_ACCEPT = (*sorted(MANIFESTS), *sorted(INDEXES), DOCKER_MANIFEST_1)
_PIECE = 1 << 20
_MAX_CONFIG = 8 << 20


async def pull(
    ref: Reference,
    auth: Credentials | None,
    platform: str,
    ctx: Distribution,
    progress: Progress,
) -> str:
    """Pull one image and name it; returns its id.

    platform: "os/arch[/variant]", "" for this machine's. progress: see Distribution. Raises NotFound as
    docker words it, SystemFailure if no registry answers or one misbehaves.
    """
    ref = ref.with_default_tag()
    credentials = auth or ANONYMOUS

    async def work(repository: Repository) -> str:
        return await _Pull(ref, platform, ctx, progress, repository).run()

    try:
        return await ctx.reach(ref, credentials, "pull", work)
    except RegistryError as exc:
        raise pull_error(exc, ref.familiar_name, ref.familiar) from exc


@dataclass(slots=True)
class _Blob:
    """A layer as the manifest lists it, and where in the stack it belongs."""

    digest: str
    size: int
    media_type: str
    diff_id: str


class _Pull:
    def __init__(
        self, ref: Reference, platform: str, ctx: Distribution, progress: Progress, repository: Repository
    ) -> None:
        self._ref = ref
        self._platform = platform
        self._ctx = ctx
        self._store = ctx.store
        self._progress = progress
        self._repository = repository

    async def run(self) -> str:
        wanted = self._ref.digest or self._ref.tag
        top = await self._manifest(wanted)
        digest = HashingReader.of(top.raw)
        self._progress({"status": f"Pulling from {self._ref.path}", "id": wanted})
        manifest = await self._for_platform(top)
        before = self._store.find_reference(str(self._ref))
        image = await self._image(manifest)
        await asyncio.to_thread(self._name, image, manifest, digest)
        say(self._progress, f"Digest: {digest}")
        news = "Image is up to date" if before == image.id else "Downloaded newer image"
        say(self._progress, f"Status: {news} for {self._ref.familiar}")
        return image.id

    def _name(self, image: Image, manifest: Manifest, digest: str) -> None:
        self._store.set_manifest(image.id, manifest.media_type, manifest.raw)
        if not self._ref.digest:
            self._store.tag(image.id, self._ref)
        self._store.tag(image.id, self._ref.with_digest(digest))

    async def _manifest(self, reference: str) -> Manifest:
        found = await self._repository.manifest(reference, _ACCEPT)
        if grammar.is_digest(reference) and HashingReader.of(found.raw) != reference:
            raise SystemFailure(f"manifest verification failed for digest {reference}")
        document = _document(found.raw)
        kind = found.media_type if found.media_type in MANIFESTS | INDEXES else document.get("mediaType", "")
        if document.get("schemaVersion") == 1:
            raise Unsupported(
                f"{self._ref.familiar} is an image of manifest schema 1, which is no longer supported; "
                "its publisher must push it again with a newer tool"
            )
        if kind not in MANIFESTS | INDEXES:
            raise SystemFailure(
                f"unsupported manifest media type {found.media_type!r} of {self._ref.familiar}"
            )
        return Manifest(kind, found.raw, found.digest)

    async def _for_platform(self, top: Manifest) -> Manifest:
        if top.media_type in MANIFESTS:
            return top
        chosen = choose(_list(_document(top.raw), "manifests"), self._platform)
        manifest = await self._manifest(_digest_of(chosen))
        return await self._for_platform(manifest)

    async def _image(self, manifest: Manifest) -> Image:
        document = _document(manifest.raw)
        config = document.get("config") or {}
        image_id = _digest_of(config)
        if self._store.has(image_id):
            return self._store.get(image_id)
        raw = await self._config(image_id)
        diff_ids = (parse_config(raw).get("rootfs") or {}).get("diff_ids") or []
        listed = _list(document, "layers")
        if len(listed) != len(diff_ids):
            raise SystemFailure("layers from manifest don't match image configuration")
        blobs = [
            _Blob(_digest_of(entry), int(entry.get("size") or 0), str(entry.get("mediaType", "")), diff_id)
            for entry, diff_id in zip(listed, diff_ids, strict=True)
        ]
        return await self._layers(raw, blobs)

    async def _config(self, digest: str) -> bytes:
        raw = b""
        async for piece in self._repository.blob(digest):
            raw += piece
            if len(raw) > _MAX_CONFIG:
                raise SystemFailure(f"the image config {digest} is larger than {_MAX_CONFIG} bytes")
        if HashingReader.of(raw) != digest:
            raise SystemFailure(f"image config verification failed for digest {digest}")
        return raw

    async def _layers(self, raw: bytes, blobs: list[_Blob]) -> Image:
        """Download what is missing side by side, unpack in order while later layers still come."""
        chain, present = await asyncio.to_thread(self._hold_present, blobs)
        for blob in blobs[:present]:
            say(self._progress, "Already exists", short(blob.digest))
        missing = blobs[present:]
        for blob in missing:
            say(self._progress, "Pulling fs layer", short(blob.digest))
        downloads = [asyncio.create_task(self._download(blob)) for blob in missing]
        try:
            for blob, download in zip(missing, downloads, strict=True):
                await download
                layer = await self._extract(blob, chain)
                if chain is not None:
                    await asyncio.to_thread(self._store.layers.release, chain)
                chain = layer.chain_id
            return await asyncio.to_thread(self._store.create_raw, raw)
        finally:
            for task in downloads:
                task.cancel()
            await asyncio.gather(*downloads, return_exceptions=True)
            if chain is not None:
                await asyncio.shield(asyncio.to_thread(self._store.layers.release, chain))

    def _hold_present(self, blobs: list[_Blob]) -> tuple[str | None, int]:
        """Hold the topmost layer of the stack that is here already; returns it and how many there are."""
        chain: str | None = None
        for number, blob in enumerate(blobs):
            following = chain_id(chain, blob.diff_id)
            try:
                self._store.layers.hold(following)
            except NotFound:
                return chain, number
            if chain is not None:
                self._store.layers.release(chain)
            chain = following
        return chain, len(blobs)

    async def _download(self, blob: _Blob) -> None:
        name = short(blob.digest)
        if self._ctx.downloads.locked():
            say(self._progress, "Waiting", name)
        async with self._ctx.alone(blob.digest):
            if not self._store.content.has(blob.digest):
                async with self._ctx.downloads:
                    await self._fetch(blob)
        say(self._progress, "Download complete", name)

    async def _fetch(self, blob: _Blob) -> None:
        """One blob into the content store, started again if the connection breaks."""
        name = short(blob.digest)
        with self._store.content.writer() as writer:
            for attempt in range(1, ATTEMPTS + 1):
                meter = Meter(self._progress, "Downloading", name, blob.size)
                try:
                    buffer = bytearray()
                    async for piece in self._repository.blob(blob.digest):
                        buffer += piece
                        meter.add(len(piece))
                        if len(buffer) >= _PIECE:
                            await asyncio.to_thread(writer.write, bytes(buffer))
                            buffer.clear()
                    await asyncio.to_thread(writer.write, bytes(buffer))
                    break
                except Unreachable:
                    if attempt == ATTEMPTS:
                        raise
                    say(self._progress, f"Retrying in {attempt} second{'s' if attempt > 1 else ''}", name)
                    await asyncio.sleep(attempt)
                    writer.restart()
            say(self._progress, "Verifying Checksum", name)
            try:
                await asyncio.to_thread(writer.commit, blob.digest)
            except InvalidParameter as exc:
                raise SystemFailure(f"filesystem layer verification failed for digest {blob.digest}") from exc

    def _abandon(self, task: asyncio.Task[Layer]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._store.layers.release(task.result().chain_id)

    async def _extract(self, blob: _Blob, parent: str | None) -> Layer:
        loop = asyncio.get_running_loop()
        name = short(blob.digest)

        def report(message: dict[str, Any]) -> None:
            loop.call_soon_threadsafe(self._progress, message)

        def work() -> Layer:
            meter = Meter(report, "Extracting", name, blob.size)
            meter.report()
            with self._store.content.open(blob.digest) as file:
                counted = cast(BinaryIO, _Counted(file, meter))
                with decompress(counted) as plain:
                    layer = self._store.layers.register(plain, parent, hold=True)
            if layer.diff_id != blob.diff_id:
                self._store.layers.release(layer.chain_id)
                raise SystemFailure(f"layer {blob.digest} unpacks to {layer.diff_id}, not to {blob.diff_id}")
            self._store.add_blob(blob.diff_id, LayerBlob(blob.digest, blob.media_type, blob.size))
            return layer

        task = asyncio.create_task(asyncio.to_thread(work))
        try:
            layer = await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._abandon)  # the thread can't be stopped; what it makes is let go
            raise
        say(self._progress, "Pull complete", name)
        return layer


class _Counted:
    """A file that tells a meter what is read of it."""

    def __init__(self, file: BinaryIO, meter: Meter) -> None:
        self._file = file
        self._meter = meter

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        if data:
            self._meter.add(len(data))
        return data

    def close(self) -> None:
        self._file.close()


def choose(manifests: list[dict[str, Any]], platform: str) -> dict[str, Any]:
    """The entry of an index that fits "os/arch[/variant]" ("" for this machine). NotFound.

    Without a variant asked for, the one without comes first, else the first in order.
    """
    wanted = (platform or f"linux/{architecture()}").split("/")
    if len(wanted) == 1:
        wanted = ["linux", wanted[0]]
    fitting = []
    for entry in manifests:
        found = entry.get("platform") or {}
        if [found.get("os"), found.get("architecture")] != wanted[:2]:
            continue
        variant = found.get("variant") or ""
        if len(wanted) < 3 or variant == wanted[2]:
            fitting.append((bool(variant), entry))
    if not fitting:
        raise NotFound(f"no matching manifest for {'/'.join(wanted)} in the manifest list entries")
    return min(fitting, key=lambda pair: pair[0])[1]


def _document(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError as exc:
        raise SystemFailure(f"the registry sent a manifest that is not JSON: {exc}") from exc
    if not isinstance(found, dict):
        raise SystemFailure("the registry sent a manifest that is no JSON object")
    return found


def _list(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = document.get(key)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise SystemFailure(f"the registry sent a manifest whose {key!r} is missing or malformed")
    return found


def _digest_of(descriptor: dict[str, Any]) -> str:
    digest = descriptor.get("digest")
    if not isinstance(digest, str) or not grammar.is_digest(digest):
        raise SystemFailure(
            f"the registry sent a manifest with the digest {digest!r}, which is no sha256 one"
        )
    return digest
