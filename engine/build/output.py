"""What a build tells its client: the lines of docker's classic builder, as JSON messages.

    {"stream": "Step 1/3 : FROM busybox"} {"stream": "\n"} {"stream": " ---> 7cae3ef5f5c1\n"}
    {"stream": " ---> Running in 4ab01621fcc1\n"} {"stream": "what RUN prints"}
    {"aux": {"ID": "sha256:…"}} {"stream": "Successfully built …\n"}

With `quiet`, only the image's id, and nothing before the end.
"""

from __future__ import annotations

import codecs
from collections.abc import Awaitable, Callable
from typing import Any

Send = Callable[[dict[str, Any]], Awaitable[None]]

# Standard error is told apart by colour, as the stream has no place for its number.
_RED, _PLAIN = "\x1b[91m", "\x1b[0m"


def short(identifier: str) -> str:
    """An id as it is shown: twelve digits."""
    return identifier.removeprefix("sha256:")[:12]


def _decoder() -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder("utf-8")(errors="replace")


class Output:
    """Writes the lines of one build."""

    def __init__(self, send: Send, *, quiet: bool = False) -> None:
        self._send = send
        self._quiet = quiet
        # A character may be cut in two by the pipe.
        self._decoders = {number: _decoder() for number in (1, 2)}

    async def _stream(self, text: str) -> None:
        if not self._quiet:
            await self._send({"stream": text})

    async def step(self, number: int, total: int, original: str) -> None:
        """The title of a step."""
        await self._stream(f"Step {number}/{total} : {original}")
        await self._stream("\n")

    async def image(self, image_id: str) -> None:
        """The image that stands after a step."""
        await self._stream(f" ---> {short(image_id)}\n")

    async def cached(self) -> None:
        """The step was done before."""
        await self._stream(" ---> Using cache\n")

    async def missed(self, reason: str) -> None:
        """Why it was not, where that is worth knowing."""
        if reason:
            await self._stream(f" ---> Not using cache: {reason}\n")

    async def running(self, container_id: str) -> None:
        """A RUN begins."""
        self._decoders = {number: _decoder() for number in (1, 2)}
        await self._stream(f" ---> Running in {short(container_id)}\n")

    async def removed(self, container_id: str) -> None:
        """Its container is gone."""
        await self._stream(f"Removing intermediate container {short(container_id)}\n")

    async def printed(self, stream: int, data: bytes) -> None:
        """What a RUN wrote; stream 2 is standard error."""
        text = self._decoders[stream].decode(data)
        if text:
            await self._stream(f"{_RED}{text}{_PLAIN}" if stream == 2 else text)

    async def note(self, text: str) -> None:
        """A line for the user."""
        await self._stream(text)

    async def progress(self, message: dict[str, Any]) -> None:
        """A message of a pull."""
        if not self._quiet:
            await self._send(message)

    async def stage_done(self, image_id: str) -> None:
        """The id for programs."""
        if not self._quiet:
            await self._send({"aux": {"ID": image_id}})

    async def built(self, image_id: str) -> None:
        """The end."""
        if self._quiet:
            await self._send({"stream": f"{image_id}\n"})
        else:
            await self._stream(f"Successfully built {short(image_id)}\n")

    async def tagged(self, name: str) -> None:
        """A name was given."""
        await self._stream(f"Successfully tagged {name}\n")
