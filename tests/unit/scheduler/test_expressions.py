import re
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scheduler.errors import InvalidExpression
from scheduler.expressions import parse

KEYS = st.from_regex(re.compile(r"[a-zA-Z_][a-zA-Z0-9\-_.]{1,12}"), fullmatch=True)
PLAIN = st.text(alphabet=string.ascii_letters + string.digits + "-_:/", min_size=1, max_size=20)


@given(KEYS, st.sampled_from(["==", "!="]), st.booleans(), PLAIN)
def test_a_well_formed_term_comes_apart_into_its_parts(key, operator, soft, value):
    assume(not (len(value) > 1 and value[0] == "/" == value[-1]))
    parsed = parse(f"{key}{operator}{'~' if soft else ''}{value}")
    assert (parsed.key, parsed.operator, parsed.value, parsed.soft) == (key, operator, value, soft)
    assert parsed.matches([value]) is (operator == "==")
    assert parsed.matches([value + "x", "x" + value]) is (operator == "!=")


@given(PLAIN, PLAIN, PLAIN)
def test_a_star_is_any_text_and_the_whole_value_must_match(head, middle, tail):
    assume(not (head[0] == "/" and tail[-1] == "/"))
    term = parse(f"name=={head}*{tail}")
    assert term.matches([head + middle + tail])
    assert term.matches([head + tail])
    assert not term.matches([head + tail + "\n"])


@given(PLAIN, PLAIN)
def test_a_regexp_matches_anywhere(inside, around):
    assume("/" not in inside)
    term = parse(f"name==/{inside}/")
    assert term.matches([around + inside + around])
    assert term.matches([around]) is (inside in around)


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        ("web*", "web-1", True),
        ("web*", "my-web", False),
        ("/web/", "my-web-1", True),
        ("/^web[0-9]+$/", "web12", True),
        ("/^web[0-9]+$/", "web12x", False),
        ("1.2.3", "1.2.3", True),
        ("a|b", "b", True),
        ("a|b", "ab", False),
        ("w[ex]b", "wxb", True),
    ],
)
def test_examples(value, text, expected):
    assert parse(f"name=={value}").matches([text]) is expected
    assert parse(f"name!={value}").matches([text]) is not expected


def test_equals_is_looked_for_before_unequals():
    assert parse("ab!=c") == parse("ab!=c")
    with pytest.raises(InvalidExpression, match="Key 'ab!=c' is invalid"):
        parse("ab!=c==d")


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("node", "One of operator ==, != is expected"),
        ("node=x", "One of operator ==, != is expected"),
        ("n==x", "Key 'n' is invalid"),
        ("1node==x", "Key '1node' is invalid"),
        ("no de==x", "Key 'no de' is invalid"),
        ("==x", "Key '' is invalid"),
        ("node==", "Value '' is invalid"),
        ("node==~", "Value '~' is invalid"),
        ("node==a,b", "Value 'a,b' is invalid"),
        ("node==/(/", "is invalid"),
        (r"node==/(a)\1/", "back-references"),
    ],
)
def test_malformed_terms_are_refused_by_name(term, message):
    with pytest.raises(InvalidExpression, match=re.escape(message)):
        parse(term)


@given(st.text(max_size=30))
def test_any_text_either_parses_or_is_refused(text):
    try:
        parse(text)
    except InvalidExpression:
        pass
