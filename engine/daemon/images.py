"""Use cases of images: what the API does with them beyond the store, with their events.

All functions here block; handlers call them in a worker thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

from engine.api.filters import Filters
from engine.build.changes import apply_changes
from engine.daemon.diskusage import shared_sizes
from engine.daemon.engine import Engine
from engine.errdefs import InvalidParameter
from engine.image import inspect, listing, make, remove
from engine.image import load as loads
from engine.image import reference as grammar
from engine.image import save as archives
from engine.image.remove import Records, Usage
from engine.image.store import Image

LIST_FILTERS = ("dangling", "label", "label!", "before", "since", "until", "reference")
PRUNE_FILTERS = ("dangling", "label", "label!", "until")


def tell(engine: Engine, action: str, image_id: str, name: str) -> None:
    """Publish an image event, the labels of the image with it if it is still there."""
    attributes: dict[str, str] = {}
    if engine.images.has(image_id):
        attributes |= engine.images.get(image_id).runtime_config.get("Labels") or {}
    engine.events.publish("image", action, image_id, attributes | {"name": name})


def summaries(engine: Engine, filters: Filters, *, show_all: bool, shared: bool) -> list[dict[str, Any]]:
    """GET /images/json. shared: work out how much of each image others have, too."""
    filters.validate(LIST_FILTERS)
    images = listing.select(engine.images, filters.to_dict(), show_all=show_all)
    found = [inspect.summary(engine.images, image) for image in images]
    if shared:
        sizes = shared_sizes(engine.images)
        for entry in found:
            entry["SharedSize"] = sizes.get(entry["Id"], 0)
    return found


def tag(engine: Engine, reference: str, repo: str, tag: str) -> None:
    """Give an image one more name."""
    image = engine.images.resolve(reference)
    name = make.named(repo, tag)
    if name is None:
        raise InvalidParameter("invalid reference format: give the new name as `repo`")
    if name.digest:
        raise InvalidParameter("refusing to create a tag with a digest reference")
    engine.images.tag(image.id, name)
    tell(engine, "tag", image.id, name.familiar)


def delete(engine: Engine, reference: str, *, force: bool, prune: bool) -> Records:
    """Remove a name or an image: the API's list of what was untagged and deleted."""
    before = engine.images.list()
    image = engine.images.resolve(reference)
    records = remove.remove(engine.images, reference, usage(engine), force=force, prune=prune)
    _tell_removed(engine, records, before, image.id)
    return records


def prune(engine: Engine, filters: Filters) -> tuple[Records, int]:
    """Remove unused images: the nameless ones, and with ``dangling=false`` all."""
    filters.validate(PRUNE_FILTERS)
    before = engine.images.list()
    dangling = filters.boolean("dangling", True)
    wanted = {key: values for key, values in filters.to_dict().items() if key != "dangling"}
    candidates = listing.select(engine.images, wanted)
    records, freed = remove.prune(engine.images, usage(engine), candidates, dangling_only=dangling)
    _tell_removed(engine, records, before)
    engine.events.publish("image", "prune", "", {"reclaimed": str(freed)})
    return records, freed


def _tell_removed(engine: Engine, records: Records, before: Sequence[Image], image_id: str = "") -> None:
    """Events of a removal. An untagged name belonged to image_id, else to the next image deleted."""
    labels = {image.id: image.runtime_config.get("Labels") or {} for image in before}
    gone = [record["Deleted"] for record in records if record.get("Deleted") in labels]
    for record in records:
        if "Untagged" in record:
            target, action = image_id or (gone[0] if gone else record["Untagged"]), "untag"
        elif record["Deleted"] in labels:
            target, action = record["Deleted"], "delete"
            gone.remove(target)
        else:  # a layer
            continue
        engine.events.publish("image", action, target, labels.get(target, {}) | {"name": target})


def usage(engine: Engine) -> list[Usage]:
    """Which container is made from which image."""
    return [Usage(c.id, c.image_id, c.active) for c in engine.containers.list()]


def import_archive(
    engine: Engine,
    stream: BinaryIO,
    *,
    repo: str,
    tag: str,
    message: str,
    changes: Sequence[str],
    source: str,
) -> Image:
    """`docker import`."""
    image = make.import_tar(
        engine.images,
        stream,
        changes=changes,
        message=message,
        repo=repo,
        tag=tag,
        source=source,
        apply_changes=apply_changes,
    )
    tell(engine, "import", image.id, _name(engine, image))
    return image


def save(engine: Engine, names: Sequence[str]) -> BinaryIO:
    """The archive of the images named."""
    archive = archives.save(engine.images, names)
    for name in names:
        tell(engine, "save", engine.images.resolve(name).id, name)
    return archive


def load(engine: Engine, source: BinaryIO, progress: Callable[[dict[str, Any]], None]) -> None:
    """All images of an archive; progress gets the API's messages."""
    for image in loads.load(engine.images, source, progress, scratch=engine.config.data_root / "tmp"):
        tell(engine, "load", image.id, image.id)


def _name(engine: Engine, image: Image) -> str:
    names = engine.images.references(image.id)
    return grammar.parse(names[0]).familiar if names else image.id
