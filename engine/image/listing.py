"""Which images `docker images` and `docker image prune` mean: the filters of GET /images/json."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable, Iterable, Mapping

from engine.errdefs import InvalidParameter
from engine.image import reference as grammar
from engine.image.inspect import seconds
from engine.image.store import Image, ImageStore

Filters = Mapping[str, Iterable[str]]
_Test = Callable[[Image], bool]


def select(store: ImageStore, filters: Filters, *, show_all: bool = False) -> list[Image]:
    """Images that pass all filters, newest first; without `show_all`, no nameless intermediate ones.

    filters: name → values, as the API has them (dangling, label, label!, before, since, until,
    reference). InvalidParameter for an unknown filter or value.
    """
    tests = [_TESTS[name](store, list(values)) for name, values in _known(filters).items()]
    images = [image for image in store.list() if all(test(image) for test in tests)]
    if not show_all:
        images = [i for i in images if store.references(i.id) or not store.children(i.id)]
    return sorted(images, key=lambda image: (seconds(image.created), image.id), reverse=True)


def _known(filters: Filters) -> Filters:
    for name in filters:
        if name not in _TESTS:
            raise InvalidParameter(f"invalid filter '{name}'")
    return filters


def _dangling(store: ImageStore, values: list[str]) -> _Test:
    wanted = boolean("dangling", values)
    return lambda image: (not store.repo_tags(image.id)) == wanted


def boolean(name: str, values: list[str]) -> bool:
    """The one value of a yes/no filter; InvalidParameter as docker words it."""
    table = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}
    found = {table.get(value.lower()) for value in values}
    if len(found) != 1 or None in found:
        raise InvalidParameter(f"invalid filter '{name}=[{' '.join(values)}]'")
    return bool(found.pop())


def _label(store: ImageStore, values: list[str]) -> _Test:
    def test(image: Image) -> bool:
        return all(_has_label(image, value) for value in values)

    return test


def _not_label(store: ImageStore, values: list[str]) -> _Test:
    def test(image: Image) -> bool:
        return not any(_has_label(image, value) for value in values)

    return test


def _has_label(image: Image, wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    labels = image.runtime_config.get("Labels") or {}
    return key in labels and (not equals or labels[key] == value)


def _before(store: ImageStore, values: list[str]) -> _Test:
    limit = min(seconds(store.resolve(value).created) for value in values)
    return lambda image: seconds(image.created) < limit


def _since(store: ImageStore, values: list[str]) -> _Test:
    limit = max(seconds(store.resolve(value).created) for value in values)
    return lambda image: seconds(image.created) > limit


def _until(store: ImageStore, values: list[str]) -> _Test:
    if len(values) != 1:
        raise InvalidParameter("more than one until filter specified")
    limit = moment(values[0])
    return lambda image: seconds(image.created) <= limit


_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def moment(text: str) -> float:
    """A time as docker's filters take it: seconds since the epoch, a date, or a Go duration ago."""
    try:
        return float(text)
    except ValueError:
        pass
    total, number, unit = 0.0, "", ""
    for char in text + "0":
        if (char.isdigit() or char == ".") and unit:
            if unit not in _UNITS or not number:
                break
            total, number, unit = total + float(number) * _UNITS[unit], "", ""
        if char.isdigit() or char == ".":
            number += char
        else:
            unit += char
    else:
        if number == "0" and not unit and total:
            return time.time() - total
    found = seconds(text)
    if found < 0:
        raise InvalidParameter(f'failed to parse value as time or duration: "{text}"')
    return found


def _reference(store: ImageStore, values: list[str]) -> _Test:
    if any("[" in value and "]" not in value.rpartition("[")[2] for value in values):
        raise InvalidParameter("syntax error in pattern")

    def test(image: Image) -> bool:
        refs = [grammar.parse(name) for name in store.references(image.id)]
        return any(matches(ref, pattern) for ref in refs for pattern in values)

    return test


def matches(ref: grammar.Reference, pattern: str) -> bool:
    """Whether a glob fits the familiar reference, or its name alone; `*` stops at a slash."""
    return any(_glob(name, pattern) for name in (ref.familiar, ref.familiar_name))


def _glob(name: str, pattern: str) -> bool:
    parts, patterns = name.split("/"), pattern.split("/")
    if len(parts) != len(patterns):
        return False
    return all(fnmatch.fnmatchcase(part, glob) for part, glob in zip(parts, patterns, strict=True))


_TESTS: dict[str, Callable[[ImageStore, list[str]], _Test]] = {
    "dangling": _dangling,
    "label": _label,
    "label!": _not_label,
    "before": _before,
    "since": _since,
    "until": _until,
    "reference": _reference,
}
