"""Engines for end-to-end tests, and `cli`: the real docker CLI on one of them.

DOCKYARD_TEST_ENGINE=dockerd runs the tests that use `cli` against the original instead, which tells
whether a test asks for what Docker does or for what we do.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.harness.dockerd import running_dockerd
from tests.harness.engines import Docker, running_engine
from tests.integration.conftest import engine, shared_engine

__all__ = ["cli", "engine", "name", "shared_engine"]


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """The docker CLI on an engine of the module's own, with the image busybox."""
    directory = tmp_path_factory.mktemp("cli") / "e"
    if os.environ.get("DOCKYARD_TEST_ENGINE") == "dockerd":
        with running_dockerd(directory) as docker:
            yield docker
    else:
        with running_engine(directory) as running:
            yield running.docker


@pytest.fixture
def name(cli: Docker) -> Iterator[str]:
    """A container name; what has it at the end is removed."""
    name = f"t{uuid.uuid4().hex[:10]}"
    yield name
    cli.try_("rm", "-f", "-v", name)
