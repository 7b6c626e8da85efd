import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose.errors import FileInvalid
from compose.loader.interpolate import BadTemplate, Substitution, interpolate, parse_template

ENV = {"SET": "value", "EMPTY": "", "NAME": "x"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("$SET", "value"),
        ("${SET}", "value"),
        ("a$SET-b", "avalue-b"),
        ("$$SET", "$SET"),
        ("$$$$", "$$"),
        ("${UNSET}", ""),
        ("${UNSET-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${EMPTY:-d}", "d"),
        ("${SET:-d}", "value"),
        ("${SET+alt}", "alt"),
        ("${EMPTY+alt}", "alt"),
        ("${EMPTY:+alt}", ""),
        ("${UNSET+alt}", ""),
        ("${SET:?msg}", "value"),
        ("${EMPTY?msg}", ""),
        ("${UNSET:-${SET}}", "value"),
        ("${UNSET:-${ALSO_UNSET:-deep$$}}", "deep$"),
        ("${UNSET:-a:-b}", "a:-b"),
        ("${UNSET:-http://x?y=1}", "http://x?y=1"),
        ("${UNSET-{}}", "{}"),
        ("${SET:-${UNSET:?never asked for}}", "value"),
        ("${UNSET:-}", ""),
    ],
)
def test_the_grammar(template, text):
    assert Substitution(ENV.get).text(template) == text


@pytest.mark.parametrize(
    "template", ["${", "$", "${}", "${1}", "$1", "${SET", "${SET!}", "a $ b", "${SET:}", "${UNSET:-${}}"]
)
def test_what_is_no_template_is_refused(template):
    with pytest.raises(BadTemplate):
        parse_template(template)


def test_errors_name_the_path():
    with pytest.raises(
        FileInvalid, match=r"services\.web\.ports\[1\] has an invalid interpolation"
    ) as caught:
        interpolate({"services": {"web": {"ports": ["1", "${"]}}}, ENV)
    assert caught.value.path == ("services", "web", "ports", 1)
    with pytest.raises(
        FileInvalid, match=r"a\.b .*required variable DB is missing a value: set the database"
    ):
        interpolate({"a": {"b": "${DB:?set the database}"}}, ENV)


def test_keys_are_left_alone_and_unset_names_are_collected():
    unset: dict[str, None] = {}
    assert interpolate({"$SET": ["$ONE", 3, None, True, "$TWO$ONE"]}, ENV, unset) == {
        "$SET": ["", 3, None, True, ""]
    }
    assert list(unset) == ["ONE", "TWO"]


@given(st.text(alphabet="ab$ {}:-", max_size=30))
def test_doubling_dollars_protects_any_text(text):
    assert Substitution({}.get).text(text.replace("$", "$$")) == text


@given(st.text(alphabet="abAB${}:-+?", max_size=24))
def test_any_text_is_either_a_template_or_refused(text):
    try:
        parse_template(text)
    except BadTemplate:
        pass
