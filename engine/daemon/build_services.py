"""What a build needs of this engine: images, pulled where they are missing, and containers for RUN."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.build.options import RunRequest
from engine.build.output import Send
from engine.daemon import registries
from engine.daemon.build_run import RunContainer
from engine.daemon.engine import Engine
from engine.errdefs import NotFound
from engine.image import reference as grammar
from engine.image.reference import Reference
from engine.image.store import Image, ImageStore
from engine.layer.store import LayerStore
from engine.registry.auth import ANONYMOUS, Credentials, from_document

# How clients name docker.io's registry among their credentials.
_DOCKER_IO = ("https://index.docker.io/v1/", "index.docker.io", "docker.io")


class EngineServices:
    """engine.build.options.Services on this engine.

    directory: the build's own. auth: credentials by registry, the API's AuthConfig objects.
    """

    def __init__(self, engine: Engine, directory: Path, auth: Mapping[str, Any]) -> None:
        self._engine = engine
        self._directory = directory
        self._auth = auth
        self.layers: LayerStore = engine.layers
        self.images: ImageStore = engine.images

    async def base(self, reference: str, platform: str, *, pull: bool, progress: Send) -> Image:
        """See Services."""
        if not pull or grammar.is_image_id(reference):
            try:
                return self.images.resolve(reference)
            except NotFound:
                if grammar.is_image_id(reference):
                    raise
        ref = grammar.parse(reference).with_default_tag()
        return self.images.get(await self._pull(ref, platform, progress))

    async def _pull(self, ref: Reference, platform: str, progress: Send) -> str:
        """Pull, handing on each message as it comes."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

        def report(message: dict[str, Any]) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, message)

        who = credentials(self._auth, ref.domain)
        task = asyncio.create_task(registries.pull(self._engine, ref, who, platform, report))
        # Behind what was reported: call_soon keeps the order.
        task.add_done_callback(lambda _: loop.call_soon(queue.put_nowait, None))
        try:
            while (message := await queue.get()) is not None:
                await progress(message)
            return await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def run(self, request: RunRequest) -> RunContainer:
        """See Services."""
        return RunContainer(self._engine, request, self._directory)

    def scratch(self) -> Path:
        """See Services."""
        return self._directory


def credentials(auth: Mapping[str, Any], domain: str) -> Credentials:
    """Those for a registry among those that came with the request."""
    names = _DOCKER_IO if domain == "docker.io" else (domain, f"https://{domain}", f"http://{domain}")
    found = next((auth[name] for name in names if name in auth), None)
    return ANONYMOUS if found is None else from_document(found)
