"""`docker rmi`: what goes, what stays, and why not.

A name given: that name goes; if it was the last one, the image goes too, and after it those parents
that have neither name, nor child, nor container. An id given: all names go if they are of one
repository. A running container or a child image forbids it for good; a stopped container
or names in several repositories give way to force.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.errdefs import Conflict
from engine.image import reference as grammar
from engine.image.store import Image, ImageStore

Records = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Usage:
    """A container and the image it was made from."""

    container_id: str
    image_id: str
    running: bool


@dataclass(frozen=True, slots=True)
class _Objection:
    reason: str
    hard: bool
    used: bool


def remove(
    store: ImageStore, reference: str, users: Iterable[Usage], *, force: bool = False, prune: bool = True
) -> Records:
    """Remove as docker does; returns the API's list of {"Untagged": name} and {"Deleted": digest}.

    users: all containers. prune: remove untagged parents too. NotFound, Conflict.
    """
    image = store.resolve(reference)
    removal = _Removal(store, tuple(users))
    if not _is_id_prefix(image.id, reference) or store.find_reference_or_none(reference):
        return removal.by_name(image, reference, force, prune)
    return removal.by_id(image, force, prune)


def _is_id_prefix(image_id: str, text: str) -> bool:
    return image_id.startswith((text, f"sha256:{text}"))


def short(digest: str) -> str:
    """The first 12 digits of an id, as docker's messages have it."""
    return digest.removeprefix("sha256:")[:12]


class _Removal:
    def __init__(self, store: ImageStore, users: tuple[Usage, ...]) -> None:
        self._store = store
        self._users = users
        self._records: Records = []

    def by_name(self, image: Image, reference: str, force: bool, prune: bool) -> Records:
        names = self._store.references(image.id)
        if not force and _single(names):
            for user in self._users:
                if user.image_id == image.id:
                    container = short(user.container_id)
                    raise Conflict(
                        f'conflict: unable to remove repository reference "{reference}" (must force) - '
                        f"container {container} is using its referenced image {short(image.id)}"
                    )
        removed = grammar.parse(reference).canonical()
        self._untag(str(removed))
        left = [grammar.parse(name) for name in self._store.references(image.id)]
        ours = [ref for ref in left if ref.name == removed.name]
        if not removed.digest and all(ref.digest for ref in ours):
            for ref in ours:  # a repository's digests do not outlive its last tag
                self._untag(str(ref))
        if not self._store.references(image.id):
            self._delete(image.id, force=force, prune=prune, quiet=True)
        return self._records

    def by_id(self, image: Image, force: bool, prune: bool) -> Records:
        if _single(self._store.references(image.id)):
            self._check(image, soft=not force, names=False)
            for name in self._store.references(image.id):
                self._untag(name)
        self._delete(image.id, force=force, prune=prune, quiet=False)
        return self._records

    def _untag(self, name: str) -> None:
        self._store.untag(name)
        self._records.append({"Untagged": grammar.parse(name).familiar})

    def _check(self, image: Image, *, soft: bool, names: bool = True) -> None:
        objection = self._objection(image, soft=soft, names=names)
        if objection is not None:
            must = "cannot be forced" if objection.hard else "must be forced"
            raise Conflict(f"conflict: unable to delete {short(image.id)} ({must}) - {objection.reason}")

    def _objection(self, image: Image, *, soft: bool, names: bool = True) -> _Objection | None:
        if self._store.children(image.id):
            return _Objection("image has dependent child images", True, False)
        users = [user for user in self._users if user.image_id == image.id]
        for user in users:
            if user.running:
                reason = f"image is being used by running container {short(user.container_id)}"
                return _Objection(reason, True, True)
        if not soft:
            return None
        if names and self._store.references(image.id):
            return _Objection("image is referenced in multiple repositories", False, False)
        for user in users:
            reason = f"image is being used by stopped container {short(user.container_id)}"
            return _Objection(reason, False, True)
        return None

    def _delete(self, image_id: str, *, force: bool, prune: bool, quiet: bool) -> None:
        """quiet: a name was taken away already, so an image that must stay is no error."""
        image = self._store.get(image_id)
        objection = self._objection(image, soft=not force)
        if objection is not None:
            if quiet and (self._store.references(image_id) or objection.used or objection.hard):
                return
            self._check(image, soft=not force)
        for name in self._store.references(image_id):
            self._untag(name)
        gone = self._store.delete(image_id)
        self._records.append({"Deleted": image_id})
        self._records.extend({"Deleted": chain} for chain in gone)
        if prune and image.parent and self._store.has(image.parent):
            self._prune(image.parent)

    def _prune(self, image_id: str) -> None:
        image = self._store.get(image_id)
        if self._store.references(image_id) or self._objection(image, soft=True) is not None:
            return
        self._delete(image_id, force=False, prune=True, quiet=True)


def _single(names: list[str]) -> bool:
    """At most one tag, and everything in one repository."""
    parsed = [grammar.parse(name) for name in names]
    return sum(1 for ref in parsed if not ref.digest) <= 1 and len({ref.name for ref in parsed}) <= 1


def prune(
    store: ImageStore, users: Iterable[Usage], candidates: Iterable[Image], *, dangling_only: bool
) -> tuple[Records, int]:
    """`docker image prune`: remove candidates that no container uses; returns the records and bytes freed.

    candidates: what the caller's filters left of all images.
    """
    everyone = tuple(users)
    used = {user.image_id for user in everyone}
    records: Records = []
    before = sum(layer.size for layer in store.layers.layers())
    for image in candidates:
        if image.id in used or not store.has(image.id) or store.children(image.id):
            continue
        names = store.references(image.id)
        if dangling_only and any("@" not in name for name in names):
            continue
        removal = _Removal(store, everyone)
        for name in names:
            removal._untag(name)
        removal._delete(image.id, force=False, prune=True, quiet=True)
        records.extend(removal._records)
    return records, before - sum(layer.size for layer in store.layers.layers())
