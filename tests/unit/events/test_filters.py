"""The `filters` parameter in both of its forms."""

from __future__ import annotations

import pytest

from engine.api.filters import Filters
from engine.errdefs import InvalidParameter


@pytest.mark.parametrize("text", [None, "", "{}", "null"])
def test_nothing_filters_nothing(text: str | None) -> None:
    filters = Filters.parse(text)
    assert not filters
    assert filters.exact("name", "x")
    assert filters.labels({})


@pytest.mark.parametrize(
    "text", ['{"label":["a=b"]}', '{"label":{"a=b":true}}', '{"label":{"a=b":true,"c":false}}']
)
def test_both_forms_mean_the_same(text: str) -> None:
    filters = Filters.parse(text)
    assert filters.get("label") == ("a=b",)
    assert filters.labels({"a": "b"})
    assert not filters.labels({"a": "c"})


@pytest.mark.parametrize("text", ["{", "[]", '{"a":1}', '{"a":[1]}', '{"a":{"b":1}}', '"x"'])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid filter"):
        Filters.parse(text)


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(InvalidParameter, match="invalid filter 'nmae'"):
        Filters({"nmae": ["x"]}).validate(("name",))


def test_labels_must_all_hold_and_negated_ones_none() -> None:
    filters = Filters({"label": ["a", "b=1"], "label!": ["c"]})
    assert filters.labels({"a": "", "b": "1"})
    assert not filters.labels({"a": ""})
    assert filters.labels({"a": ""}, "label!")
    assert not filters.labels({"c": ""}, "label!")


@pytest.mark.parametrize(
    ("values", "answer"), [(["true"], True), (["1"], True), (["0"], False), (["false"], False)]
)
def test_yes_or_no(values: list[str], answer: bool) -> None:
    assert Filters({"dangling": values}).boolean("dangling", not answer) is answer


@pytest.mark.parametrize("values", [["maybe"], ["true", "false"]])
def test_neither_yes_nor_no(values: list[str]) -> None:
    with pytest.raises(InvalidParameter, match="invalid filter 'dangling="):
        Filters({"dangling": values}).boolean("dangling")


def test_names_match_as_regular_expressions_and_a_broken_one_matches_nothing() -> None:
    assert Filters({"name": ["^we"]}).match("name", "web")
    assert not Filters({"name": ["^eb"]}).match("name", "web")
    assert not Filters({"name": ["("]}).match("name", "web")
    assert Filters({"name": ["("]}).match("name", "(")
