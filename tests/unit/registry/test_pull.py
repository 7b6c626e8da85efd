"""Pulling from a registry that misbehaves."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.db import Database
from engine.driverapi.registry import load
from engine.errdefs import NotFound, SystemFailure, Unsupported
from engine.image import distribution
from engine.image.distribution import Distribution
from engine.image.make import architecture
from engine.image.mediatypes import DOCKER_MANIFEST_1, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from engine.image.pull import choose, pull
from engine.image.reference import parse
from engine.image.store import ImageStore
from engine.layer.store import LayerStore
from engine.registry.auth import Credentials
from tests.unit.layer.archives import Member, tar
from tests.unit.registry.fake import FakeRegistry, digest_of

pytestmark = pytest.mark.root

NAME = "team/app"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ImageStore]:
    database = Database(tmp_path / "engine.db")
    layers = LayerStore(tmp_path / "layers", database, load("graph", "vfs")(tmp_path / "vfs", {}))
    yield ImageStore(tmp_path, database, layers)
    database.close()


@pytest.fixture
def fake() -> FakeRegistry:
    return FakeRegistry()


def add_image(fake: FakeRegistry, tag: str, *texts: str, **config: Any) -> dict[str, Any]:
    """An image of one layer for each text; returns its manifest's descriptor."""
    plain = [tar(Member(text, text.encode() * 100)) for text in texts]
    layers = [
        {"mediaType": OCI_LAYER + "+gzip", **fake.add_blob(gzip.compress(data, mtime=0))} for data in plain
    ]
    document = {
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [digest_of(d) for d in plain]},
        **config,
    }
    described = {"mediaType": OCI_CONFIG, **fake.add_blob(json.dumps(document).encode())}
    return fake.add_manifest(
        tag,
        OCI_MANIFEST,
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": layers},
    )


async def fetch(
    fake: FakeRegistry,
    ctx: Distribution,
    tag: str = "v1",
    auth: Credentials | None = None,
    platform: str = "",
) -> tuple[str, list[Any]]:
    said: list[Any] = []
    async with fake.serve() as host:
        return await pull(parse(f"{host}/{NAME}:{tag}"), auth, platform, ctx, said.append), said


def empty(store: ImageStore) -> bool:
    return store.list() == [] and store.layers.layers() == []


async def test_tokens_are_fetched_for_the_repository(store: ImageStore, fake: FakeRegistry) -> None:
    fake.token = "let-me-in"
    add_image(fake, "v1", "a")
    await fetch(fake, Distribution(store), auth=Credentials("me", "pw"))
    assert fake.scopes == [f"repository:{NAME}:pull"]
    assert fake.logins == ["Basic " + base64.b64encode(b"me:pw").decode()]


async def test_a_cut_connection_is_tried_again(
    store: ImageStore, fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_image(fake, "v1", "a")
    layer = next(d for d, data in fake.blobs.items() if data.startswith(b"\x1f\x8b"))
    fake.cuts[layer] = 2
    real = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: real(0))
    image_id, said = await fetch(fake, Distribution(store))
    assert store.get(image_id)
    assert fake.asked[layer] == 3
    assert [m["status"] for m in said if m["status"].startswith("Retrying")] == [
        "Retrying in 1 second", "Retrying in 2 seconds",
    ]  # fmt: skip


async def test_a_registry_that_always_cuts_is_given_up(
    store: ImageStore, fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_image(fake, "v1", "a")
    layer = next(d for d, data in fake.blobs.items() if data.startswith(b"\x1f\x8b"))
    fake.cuts[layer] = 1000
    real = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: real(0))
    with pytest.raises(SystemFailure):
        await fetch(fake, Distribution(store))
    assert fake.asked[layer] == distribution.ATTEMPTS
    assert empty(store)


async def test_a_blob_with_other_content_is_refused(store: ImageStore, fake: FakeRegistry) -> None:
    add_image(fake, "v1", "a", "b")
    layer = next(d for d, data in fake.blobs.items() if data.startswith(b"\x1f\x8b"))
    fake.blobs[layer] = gzip.compress(tar(Member("evil")))
    with pytest.raises(SystemFailure, match="layer verification failed for digest " + layer):
        await fetch(fake, Distribution(store))
    assert not store.content.has(layer)
    assert empty(store)


async def test_a_config_with_other_content_is_refused(store: ImageStore, fake: FakeRegistry) -> None:
    add_image(fake, "v1", "a")
    config = next(d for d, data in fake.blobs.items() if data.startswith(b"{"))
    fake.blobs[config] = b"{}"
    with pytest.raises(SystemFailure, match="config verification failed"):
        await fetch(fake, Distribution(store))
    assert empty(store)


async def test_a_layer_that_is_not_what_the_config_says(store: ImageStore, fake: FakeRegistry) -> None:
    add_image(fake, "v1", "a", rootfs={"type": "layers", "diff_ids": ["sha256:" + "9" * 64]})
    with pytest.raises(SystemFailure, match="unpacks to"):
        await fetch(fake, Distribution(store))
    assert empty(store)


async def test_a_manifest_that_does_not_fit_its_digest(store: ImageStore, fake: FakeRegistry) -> None:
    described = add_image(fake, "v1", "a")
    add_image(fake, "v2", "b")
    fake.manifests[described["digest"]] = fake.manifests["v2"]
    async with fake.serve() as host:
        ref = parse(f"{host}/{NAME}@{described['digest']}")
        with pytest.raises(SystemFailure, match="manifest verification failed"):
            await pull(ref, None, "", Distribution(store), lambda message: None)
    assert empty(store)


@pytest.mark.parametrize(
    "document",
    [
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST},
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"digest": "../../etc/passwd"},
            "layers": [],
        },
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": [], "layers": 3},
        {"schemaVersion": 2, "mediaType": "text/html"},
    ],
)
async def test_malformed_manifests(store: ImageStore, fake: FakeRegistry, document: dict[str, Any]) -> None:
    fake.add_manifest("v1", document["mediaType"], document)
    with pytest.raises(SystemFailure):
        await fetch(fake, Distribution(store))
    assert empty(store)


async def test_schema_1_is_refused_with_advice(store: ImageStore, fake: FakeRegistry) -> None:
    fake.add_manifest("v1", DOCKER_MANIFEST_1, {"schemaVersion": 1, "name": NAME})
    with pytest.raises(Unsupported, match="schema 1"):
        await fetch(fake, Distribution(store))


async def test_an_index_gives_the_image_of_the_platform(store: ImageStore, fake: FakeRegistry) -> None:
    mine = add_image(fake, "mine", "a")
    other = add_image(fake, "other", "b")
    entries = [
        {**other, "platform": {"os": "linux", "architecture": "mips"}},
        {**mine, "platform": {"os": "linux", "architecture": architecture()}},
    ]
    index = fake.add_manifest(
        "v1", OCI_INDEX, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    )
    image_id, said = await fetch(fake, Distribution(store))
    assert store.get(image_id).config["rootfs"]["diff_ids"] == [digest_of(tar(Member("a", b"a" * 100)))]
    assert {"status": f"Digest: {index['digest']}"} in said
    other_id, _ = await fetch(fake, Distribution(store), platform="linux/mips")
    assert other_id != image_id
    with pytest.raises(NotFound, match="no matching manifest for linux/s390x in the manifest list entries"):
        await fetch(fake, Distribution(store), platform="linux/s390x")


async def test_a_layer_two_pulls_want_is_fetched_once(store: ImageStore, fake: FakeRegistry) -> None:
    add_image(fake, "v1", "shared", "one")
    add_image(fake, "v2", "shared", "two")
    ctx = Distribution(store)
    async with fake.serve() as host:
        await asyncio.gather(
            *(
                pull(parse(f"{host}/{NAME}:{tag}"), None, "", ctx, lambda message: None)
                for tag in ("v1", "v2", "v1")
            )
        )
    layers = [d for d, data in fake.blobs.items() if data.startswith(b"\x1f\x8b")]
    assert len(layers) == 3
    assert {d: fake.asked[d] for d in layers} == dict.fromkeys(layers, 1)
    assert len(store.list()) == 2


async def test_a_cancelled_pull_leaves_nothing_held(store: ImageStore, fake: FakeRegistry) -> None:
    add_image(fake, "v1", *(f"layer{n}" for n in range(6)))
    async with fake.serve() as host:
        for moment in (0.0, 0.01, 0.02, 0.03, 0.05):
            task = asyncio.create_task(
                pull(parse(f"{host}/{NAME}:v1"), None, "", Distribution(store), lambda message: None)
            )
            await asyncio.sleep(moment)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for image in store.list():
                store.delete(image.id)
            for _ in range(100):
                if empty(store):
                    break
                await asyncio.sleep(0.02)
            assert empty(store)


def entry(architecture: str, variant: str = "") -> dict[str, Any]:
    return {
        "platform": {"os": "linux", "architecture": architecture, **({"variant": variant} if variant else {})}
    }


def test_platform_choice() -> None:
    entries = [entry("amd64"), entry("arm", "v6"), entry("arm", "v7"), entry("arm64", "v8"), {"platform": {}}]
    assert choose(entries, "linux/arm/v7") is entries[2]
    assert choose(entries, "linux/arm") is entries[1]
    assert choose(entries, "arm64") is entries[3]
    for wrong in ("linux/arm/v5", "windows/amd64", "linux"):
        with pytest.raises(NotFound):
            choose(entries, wrong)
