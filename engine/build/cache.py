"""Whether a step was done before: a pure decision over the images that stand on the same parent.

A step's image tells in the last entry of its history what made it (`created_by`), and that line
holds all that the result depends on: the instruction after expansion, the build arguments in its
scope, and for ADD and COPY the digest of what is copied. Everything before it is the parent image.
So there is no cache beside the images, nothing to get out of step with them, and removing an image
removes what it would have answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.image.store import Image


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image that stands on the parent. created: RFC 3339; the newest is preferred."""

    image_id: str
    created_by: str
    created: str


@dataclass(frozen=True, slots=True)
class Hit:
    """The step's result is there."""

    image_id: str


@dataclass(frozen=True, slots=True)
class Miss:
    """It must run. reason: for the user, "" where there is nothing worth telling."""

    reason: str


def look_up(created_by: str, candidates: Iterable[Candidate]) -> Hit | Miss:
    """Decide about one step on a given parent."""
    found = sorted(candidates, key=lambda c: c.created, reverse=True)
    for candidate in found:
        if candidate.created_by == created_by:
            return Hit(candidate.image_id)
    return Miss(_reason(created_by, [candidate.created_by for candidate in found]))


def _reason(created_by: str, others: list[str]) -> str:
    """What is different from the step that was done on this parent most recently."""
    instruction, digest, rest = _split(created_by)
    for other in others:
        other_instruction, other_digest, other_rest = _split(other)
        if instruction != other_instruction:
            continue
        if digest and other_digest and rest == other_rest:
            return "the copied files have changed"
        if not digest and _without_args(rest) == _without_args(other_rest):
            return "a build argument has another value"
    return ""


def _split(created_by: str) -> tuple[str, str, str]:
    """(instruction, digest of its files or "", the rest without the digest)."""
    text = created_by.partition("#(nop) ")[2].strip()
    if not text:
        return "RUN", "", created_by
    words = text.split(" ")
    if words[0] not in ("ADD", "COPY"):
        return words[0], "", text
    digests = [word for word in words if word.partition(":")[0] in ("file", "dir", "multi")]
    return words[0], digests[0] if digests else "", " ".join(w for w in words if w not in digests)


def _without_args(command: str) -> str:
    """A RUN's line without its "|2 A=1 B=2" of build arguments."""
    if not command.startswith("|"):
        return command
    count, _, rest = command[1:].partition(" ")
    return " ".join(rest.split(" ")[int(count) :]) if count.isdigit() else command


def candidates(images: Iterable[Image], depth: int) -> list[Candidate]:
    """Those of `images`, which all stand on one parent, that are one step further than its `depth` steps.

    An image without a parent may be anything (pulled, imported); only its first step would count.
    """
    found = []
    for image in images:
        history: list[Mapping[str, Any]] = image.config.get("history") or []
        if len(history) == depth + 1:
            found.append(Candidate(image.id, history[-1].get("created_by") or "", image.created))
    return found


def continued(
    source: Mapping[str, Any], current: Mapping[str, Any] | None, created_by: str
) -> tuple[list[Any], list[str]] | None:
    """How an image of --cache-from went on from `current`, if it did so with the step `created_by`.

    Such an image was pulled, so its steps are no images here; its history and layers tell the same.
    Returns the history and the diff ids after the step.
    """
    history: list[Mapping[str, Any]] = source.get("history") or []
    before: list[Mapping[str, Any]] = (current or {}).get("history") or []
    layers = list((source.get("rootfs") or {}).get("diff_ids") or [])
    depth = len(before)
    if len(history) <= depth or history[depth].get("created_by") != created_by:
        return None
    if [e.get("created_by") for e in history[:depth]] != [e.get("created_by") for e in before]:
        return None
    below = list(((current or {}).get("rootfs") or {}).get("diff_ids") or [])
    if layers[: len(below)] != below:
        return None
    count = len(below) + (0 if history[depth].get("empty_layer") else 1)
    return [*before, history[depth]], layers[:count]
