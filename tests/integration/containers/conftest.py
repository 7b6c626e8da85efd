from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.engines import Docker, TestEngine


@pytest.fixture
def docker(shared_engine: TestEngine) -> Iterator[Docker]:
    """The CLI on the module's engine; all containers are removed after the test."""
    yield shared_engine.docker
    ids = shared_engine.docker("ps", "-aq").split()
    if ids:
        shared_engine.docker("rm", "-f", "-v", *ids)
