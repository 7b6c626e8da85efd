"""Platforms as clients name them."""

import pytest

from engine.errdefs import InvalidParameter
from engine.image.platform import fits, parse


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("linux", ("linux", "", "")),
        ("arm64", ("", "arm64", "")),
        ("linux/x86_64", ("linux", "amd64", "")),
        ("Linux/arm/v7", ("linux", "arm", "v7")),
    ],
)
def test_parse(text, parts):
    assert parse(text) == parts


@pytest.mark.parametrize("text", ["a/b/c/d", "linux/", "a b", "!"])
def test_what_is_none(text):
    with pytest.raises(InvalidParameter, match="cannot parse platform specifier"):
        parse(text)


@pytest.mark.parametrize(
    ("wanted", "fit"),
    [
        ("", True),
        ("linux", True),
        ("linux/arm64", True),
        ("linux/arm64/v8", True),
        ("windows", False),
        ("amd64", False),
    ],
)
def test_fits(wanted, fit):
    assert fits({"os": "linux", "architecture": "arm64"}, wanted) is fit
