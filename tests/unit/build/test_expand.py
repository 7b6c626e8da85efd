import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.build.expand import ExpansionError, expand, expand_heredoc, expand_words, used_names

VARIABLES = {"A": "hello", "EMPTY": "", "PATH": "/usr/bin:/bin", "F": "archive.tar.gz"}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("plain", "plain"),
        ("$A", "hello"),
        ("${A}x$A", "helloxhello"),
        ("$NOT|$EMPTY", "|"),
        ("\\$A", "$A"),
        ("'$A'", "$A"),
        ('"$A b"', "hello b"),
        ('"a\\"b\\x"', 'a"b\\x'),
        ("a\\ b", "a b"),
        ("end\\", "end\\"),
        ("$", "$"),
        ("$+x", "$+x"),
        ("${NOT:-word}", "word"),
        ("${EMPTY:-word}", "word"),
        ("${EMPTY-word}", ""),
        ("${NOT-$A}", "hello"),
        ("${NOT:-${NOT2:-deep}}", "deep"),
        ("${A:+yes}", "yes"),
        ("${EMPTY:+yes}", ""),
        ("${EMPTY+yes}", "yes"),
        ("${NOT+yes}", ""),
        ("${A:?gone}", "hello"),
        ("${EMPTY?gone}", ""),
        ("${F%.*}", "archive.tar"),
        ("${F%%.*}", "archive"),
        ("${F#*.}", "tar.gz"),
        ("${F##*.}", "gz"),
        ("${F#x}", "archive.tar.gz"),
        ("${PATH/bin/sbin}", "/usr/sbin:/bin"),
        ("${PATH//bin/sbin}", "/usr/sbin:/sbin"),
        ("${F/a?c/_}", "_hive.tar.gz"),
        ("${F//a/}", "rchive.tr.gz"),
    ],
)
def test_expansion(word: str, expected: str) -> None:
    assert expand(word, VARIABLES) == expected


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("${NOT:?need it}", 'failed to process "${NOT:?need it}": NOT: need it'),
        ("${EMPTY:?}", "EMPTY: not allowed to be unset"),
        ("${A", "missing '}'"),
        ("${A:-x", "looking for matching }"),
        ("${A:x}", "unsupported modifier"),
        ("${}", "bad substitution"),
        ("'open", "matching single-quote"),
        ('"open', "matching double-quote"),
    ],
)
def test_what_cannot_be_expanded_says_why(word: str, words: str) -> None:
    with pytest.raises(ExpansionError) as caught:
        expand(word, VARIABLES)
    assert words in str(caught.value)


def test_another_escape_character() -> None:
    assert expand("C:\\dir`$A", VARIABLES, "`") == "C:\\dir$A"


def test_values_are_split_at_blanks_and_quotes_are_not() -> None:
    assert expand_words('$P "a b" c', {"P": "80 81"}) == ["80", "81", "a b", "c"]
    assert expand_words("$NOT", {}) == []


def test_a_heredoc_keeps_its_quotes() -> None:
    assert expand_heredoc("a \"$A\" '$A' \\$A \\n", VARIABLES) == "a \"hello\" 'hello' $A \\n"


def test_names_in_use() -> None:
    assert used_names("$A ${B:-$C} \\") == {"A", "B", "C"}


@given(st.text(max_size=40))
def test_any_word_expands_or_is_refused_in_words(word: str) -> None:
    try:
        expand(word, VARIABLES)
    except ExpansionError:
        pass


@given(st.text(alphabet=st.characters(exclude_characters="'\\\"$`"), max_size=30))
def test_words_without_special_characters_stay(word: str) -> None:
    assert expand(word, VARIABLES) == word
