from __future__ import annotations

import time

import pytest

from engine.errdefs import InvalidParameter
from engine.image.listing import Filters, matches, moment, select
from engine.image.reference import parse
from engine.image.store import ImageStore
from tests.unit.image.conftest import Build


@pytest.mark.root
def test_filters(store: ImageStore, build: Build) -> None:
    first = build("a", "app:1", "team/app:2", Labels={"k": "v", "other": ""})
    second = build("b", parent=first)
    third = build("c", "web:1", parent=second)

    def found(filters: Filters, show_all: bool = False) -> list[str]:
        return [image.id for image in select(store, filters, show_all=show_all)]

    assert found({}) == [third.id, first.id]
    assert found({}, True) == [third.id, second.id, first.id]
    assert found({"dangling": ["true"]}, True) == [second.id]
    assert found({"dangling": ["false"]}) == [third.id, first.id]
    assert found({"label": ["k=v"]}) == found({"label": ["k", "other"]}) == [first.id]
    assert found({"label": ["k=w"]}) == []
    assert found({"label!": ["k"]}) == [third.id]
    assert found({"before": ["web:1"]}) == [first.id]
    assert found({"since": ["app:1"]}) == [third.id]
    assert found({"reference": ["*/app"]}) == found({"reference": ["app:*"]}) == [first.id]
    assert found({"reference": ["w*", "app:9"]}) == [third.id]
    assert found({"until": ["1h"]}) == []
    for wrong in (
        {"nope": ["x"]},
        {"dangling": ["maybe"]},
        {"dangling": ["true", "false"]},
        {"until": ["soon"]},
    ):
        with pytest.raises(InvalidParameter):
            found(wrong)


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("busybox:1", "busybox", True), ("busybox:1", "busy*", True), ("busybox:1", "*:1", True),
        ("busybox:1", "*/*", False), ("me/x:1", "*", False), ("me/x:1", "me/*", True),
        ("me/x:1", "me/[xy]:?", True),
        ("busybox:1", "busybox:2", False), ("r.io:5/a/b:1", "r.io:5/*/b", True),
    ],
)  # fmt: skip
def test_reference_patterns(name: str, pattern: str, expected: bool) -> None:
    assert matches(parse(name), pattern) is expected


def test_moments() -> None:
    assert moment("100.5") == 100.5
    assert moment("1970-01-01T00:00:10Z") == 10
    assert moment("2020-01-02") == 1577923200
    assert time.time() - moment("1h30m") == pytest.approx(5400, abs=5)
    assert time.time() - moment("1.5s") == pytest.approx(1.5, abs=5)
    for wrong in ("", "h", "1x", "5h3"):
        with pytest.raises(InvalidParameter):
            moment(wrong)
