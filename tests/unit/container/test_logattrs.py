"""Which labels and variables go into a log's lines."""

import pytest

from engine.container.logattrs import attributes
from engine.errdefs import InvalidParameter


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, None),
        ({"max-size": "1m"}, None),
        ({"labels": "tier,none"}, {"tier": "web"}),
        ({"env": "A"}, {"A": "1=2"}),
        ({"labels-regex": "^t", "env-regex": "B$"}, {"tier": "web", "AB": ""}),
    ],
)
def test_options_pick_labels_and_variables(options, found):
    assert attributes(options, {"tier": "web", "zone": "a"}, ["A=1=2", "AB=", "C"]) == found


def test_a_bad_expression_is_refused():
    with pytest.raises(InvalidParameter, match="regular expression"):
        attributes({"env-regex": "("}, {}, [])
