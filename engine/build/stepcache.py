"""Looking a step up among the images that are there: what `engine.build.cache` decides about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.build import cache
from engine.build.cache import Hit, Miss
from engine.build.imageconfig import resumed_config
from engine.build.metadata import State
from engine.build.options import BuildOptions
from engine.errdefs import InvalidParameter, NotFound
from engine.image.store import Image, ImageStore


@dataclass(frozen=True, slots=True)
class Resumed:
    """An image of --cache-from went on just so; config makes the image after this step."""

    config: dict[str, Any]


class StepCache:
    """The build cache of one build."""

    def __init__(self, images: ImageStore, options: BuildOptions) -> None:
        self._images = images
        self._enabled = options.use_cache
        self._sources = options.cache_from

    def find(self, image: Image | None, state: State, line: str) -> Hit | Resumed | Miss:
        """Whether the step `line` was done on `image` (None: on nothing)."""
        if not self._enabled:
            return Miss("")
        found = cache.look_up(line, self._candidates(image))
        if isinstance(found, Hit):
            return found
        current = image.config if image else None
        for reference in self._sources:
            try:
                source = self._images.resolve(reference)
            except (NotFound, InvalidParameter):
                continue  # it may well not have been pulled
            continued = cache.continued(source.config, current, line)
            if continued is not None:
                return Resumed(resumed_config(source.config, state, *continued))
        # On nothing stand the first steps of all images from scratch: no step to compare this one with.
        return found if image is not None else Miss("")

    def _candidates(self, image: Image | None) -> list[cache.Candidate]:
        if image is None:
            return cache.candidates([one for one in self._images.list() if not one.parent], 0)
        children = [self._images.get(child) for child in self._images.children(image.id)]
        return cache.candidates(children, len(image.config.get("history") or []))
