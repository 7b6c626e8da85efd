import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose.errors import ConfigurationNotFound, FileInvalid
from compose.loader.dotenv import parse_dotenv, parse_raw, read_dotenv


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("export A=1", {"A": "1"}),
        ("A: 1", {"A": "1"}),
        ("A = 1 ", {"A": "1"}),
        ("# comment\n\n  A=1\n", {"A": "1"}),
        ("A=1 # comment", {"A": "1"}),
        ("A=1#no comment", {"A": "1#no comment"}),
        ("A=# all comment", {"A": ""}),
        ("A=", {"A": ""}),
        ("A='$B # x'", {"A": "$B # x"}),
        ("A='two\nlines'\nB=1", {"A": "two\nlines", "B": "1"}),
        ('A="a\\nb"', {"A": "a\nb"}),
        ('A="two\nlines"', {"A": "two\nlines"}),
        ('A="say \\"hi\\"" # c', {"A": 'say "hi"'}),
        ("A=1\nB=$A-${A:-2}", {"A": "1", "B": "1-1"}),
        ('A=1\nB="${A}x"', {"A": "1", "B": "1x"}),
        ('A="\\$HOME"', {"A": "$HOME"}),
        ("\ufeffA=1", {"A": "1"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("A=x=y", {"A": "x=y"}),
        ("KNOWN\nMISSING\nB=$KNOWN", {"KNOWN": "k", "B": "k"}),
        ("A.B-c=1", {"A.B-c": "1"}),
    ],
)
def test_the_grammar(text, values):
    assert parse_dotenv(text, {"KNOWN": "k"}.get) == values


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("A=1\n=2", 2, "expected KEY=value"),
        ("A B=1", 1, "cannot contain a space"),
        ("A=1\n\nB='x", 3, "unterminated"),
        ('B="x', 1, "unterminated"),
        ("A=${", 1, "invalid interpolation"),
        ("A=${X:?no X}", 1, "no X"),
    ],
)
def test_errors_name_the_line(text, line, words):
    with pytest.raises(FileInvalid, match=words) as caught:
        parse_dotenv(text, file="my.env")
    assert (caught.value.file, caught.value.line) == ("my.env", line)


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z]{1,4}", fullmatch=True), st.text(alphabet='ab #$"\\\n=', max_size=12)
    )
)
def test_single_quotes_keep_any_text(values):
    assert parse_dotenv("".join(f"{key}='{value}'\n" for key, value in values.items())) == values


def test_raw_takes_lines_as_they_stand():
    assert parse_raw("A=\"$B\"\n# c\nC='x' # y\n") == {"A": '"$B"', "C": "'x' # y"}


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(ConfigurationNotFound, match="not found"):
        read_dotenv(tmp_path / "none.env")
