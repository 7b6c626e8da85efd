"""Images by the ways people name them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

_ID = re.compile(r"(?:sha256:)?[0-9a-f]{4,64}")


class HoldsImages(Protocol):
    """A node, as far as it matters here: its images as the API lists them."""

    @property
    def images(self) -> Sequence[Mapping[str, Any]]:
        """GET /images/json."""
        ...


def repository(reference: str) -> str:
    """``host:5000/app:1`` → ``host:5000/app``."""
    name = reference.partition("@")[0]
    head, colon, tail = name.rpartition(":")
    return head if colon and "/" not in tail else name


def with_tag(reference: str) -> str:
    """``redis`` → ``redis:latest``; ids, digests and tagged references stay."""
    if "@" in reference or reference.startswith("sha256:") or repository(reference) != reference:
        return reference
    return f"{reference}:latest"


def image_names(images: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Every name the images go by: id, repo:tag, repo, digest."""
    names: set[str] = set()
    for image in images:
        names.add(image["Id"])
        for tag in image.get("RepoTags") or ():
            if tag != "<none>:<none>":
                names.update((tag, repository(tag)))
        names.update(_digests(image))
    return frozenset(names)


def find_image(node: HoldsImages, reference: str) -> Mapping[str, Any] | None:
    """The image on a node that a reference, an id or the beginning of one means, as it is listed there."""
    short = short_name(reference)
    for image in node.images:
        if with_tag(short) in (image.get("RepoTags") or ()) or short in _digests(image):
            return image
    if _ID.fullmatch(reference):
        bare = reference.removeprefix("sha256:")
        for image in node.images:
            if image["Id"].removeprefix("sha256:").startswith(bare):
                return image
    return None


def short_name(reference: str) -> str:
    """``docker.io/library/redis`` → ``redis``, as engines list it."""
    return reference.removeprefix("docker.io/").removeprefix("library/")


def has_origin(image: Mapping[str, Any]) -> bool:
    """Whether it came from, or went to, a registry."""
    return bool(_digests(image))


def image_term(nodes: Iterable[HoldsImages], reference: str) -> str:
    """An affinity for the nodes that have the image."""
    for node in nodes:
        image = find_image(node, reference)
        if image is not None:
            named = with_tag(short_name(reference))
            if named in (image.get("RepoTags") or ()):
                return f"image=={named}"
            return f"image=={image['Id']}"
    # An @ is not of the grammar; a dot stands for any character.
    return f"image=={with_tag(reference).replace('@', '.')}"


def _digests(image: Mapping[str, Any]) -> list[str]:
    """Without the ``<none>@<none>`` of old engines."""
    return [d for d in image.get("RepoDigests") or () if not d.startswith("<none>")]
