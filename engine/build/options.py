"""What a client may ask of a build, and what a build needs of the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from engine.build.output import Send
from engine.errdefs import DockyardError
from engine.image.store import Image, ImageStore
from engine.layer.store import Layer, LayerStore


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """The query of ``POST /build``.

    host_config: limits of RUN's containers, under the API's HostConfig names.
    registry_auth: registry → AuthConfig, for base images that must be pulled.
    build_args: None for a name whose value the client does not have.
    """

    dockerfile: str = ""
    tags: Sequence[str] = ()
    build_args: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    platform: str = ""
    use_cache: bool = True
    cache_from: Sequence[str] = ()
    pull: bool = False
    quiet: bool = False
    network_mode: str = "default"
    host_config: Mapping[str, Any] = field(default_factory=dict)
    registry_auth: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One RUN.

    base: the chain id it runs on. config: the image's. env: build arguments beside the image's
    environment. files: container path below /dev → host file, for the time of the run.
    """

    base: str | None
    config: Mapping[str, Any]
    args: Sequence[str]
    env: Sequence[str]
    network_mode: str
    host_config: Mapping[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)


class RunFailed(DockyardError):
    """A RUN ended with another code than 0. exit_code goes to the client as the error's code."""

    def __init__(self, command: str, exit_code: int) -> None:
        super().__init__(f"The command '{command}' returned a non-zero code: {exit_code}")
        self.exit_code = exit_code


class RunningStep(Protocol):
    """A RUN's container. Leaving the ``async with`` that gave it removes what is left of it."""

    id: str

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """What it prints, as (1 or 2, bytes), until it has ended."""
        ...

    async def finish(self) -> int:
        """Its exit code; the container and its network are gone then."""
        ...

    async def commit(self) -> Layer:
        """What it wrote, as a layer that is held once for the caller."""
        ...

    async def __aenter__(self) -> RunningStep: ...

    async def __aexit__(self, *exc: object) -> None: ...


class Services(Protocol):
    """What the executor needs of the engine."""

    layers: LayerStore
    images: ImageStore

    async def base(self, reference: str, platform: str, *, pull: bool, progress: Send) -> Image:
        """An image by reference; it is pulled if it is missing (or always, with `pull`)."""
        ...

    def run(self, request: RunRequest) -> RunningStep:
        """Prepare a container for a RUN; it starts with ``async with``."""
        ...

    def scratch(self) -> Path:
        """A directory of this build for temporary files; it goes with the build."""
        ...
