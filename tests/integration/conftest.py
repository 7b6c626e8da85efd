"""Fixtures of the layers that run real engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.engines import TestEngine, running_engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[TestEngine]:
    """A fresh engine with the image busybox."""
    with running_engine(tmp_path / "e") as engine:
        yield engine


@pytest.fixture(scope="module")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestEngine]:
    """One engine for a whole module: clean up what you make."""
    with running_engine(tmp_path_factory.mktemp("shared") / "e") as engine:
        yield engine
