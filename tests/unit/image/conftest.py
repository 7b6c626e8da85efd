from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.db import Database
from engine.driverapi.registry import load
from engine.image import make
from engine.image.store import Image, ImageStore
from engine.layer.store import LayerStore
from tests.unit.layer.archives import Member, tar

Build = Callable[..., Image]


@pytest.fixture
def reopen(tmp_path: Path) -> Iterator[Callable[[], ImageStore]]:
    databases: list[Database] = []

    def opener() -> ImageStore:
        database = Database(tmp_path / "engine.db")
        databases.append(database)
        layers = LayerStore(tmp_path / "layers", database, load("graph", "vfs")(tmp_path / "vfs", {}))
        return ImageStore(tmp_path, database, layers)

    yield opener
    for database in databases:
        database.close()


@pytest.fixture
def store(reopen: Callable[[], ImageStore]) -> ImageStore:
    return reopen()


@pytest.fixture
def build(store: ImageStore) -> Build:
    """An image of one more layer; `parent` an image or None, `tags` its names."""

    def builder(text: str, *tags: str, parent: Image | None = None, **section: object) -> Image:
        layer = store.layers.register(
            io.BytesIO(tar(Member(text, text.encode()))), parent and parent.chain_id, hold=True
        )
        image = make.derive(store, parent, dict(section), layer, created_by=f"make {text}")
        store.layers.release(layer.chain_id)
        for tag in tags:
            store.tag(image.id, tag)
        return image

    return builder
