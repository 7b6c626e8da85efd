import pytest

from compose.errors import FileInvalid
from compose.loader.parse import parse


def one(text: str):
    (document,) = parse(text, "compose.yaml")
    return document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("~", None),
        ("", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("on", "on"),
        ("12", 12),
        ("-3", -3),
        ("0644", 0o644),
        ("0o17", 0o17),
        ("0x1F", 31),
        ("089", "089"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("22:22", "22:22"),
        ("1.2.3", "1.2.3"),
        ("2020-01-01", "2020-01-01"),
        ('"12"', "12"),
        ("'true'", "true"),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
    ],
)
def test_scalars_follow_yaml_1_2(text, value):
    found = one(f"key: {text}").tree["key"]
    assert found == value
    assert type(found) is type(value)


def test_a_merge_key_gives_way_to_the_mapping_itself():
    tree = one(
        """
x-base: &base {image: a, tty: true}
x-more: &more {image: b, init: true}
services:
  web:
    <<: [*base, *more]
    tty: false
"""
    ).tree
    assert tree["services"]["web"] == {"image": "a", "tty": False, "init": True}


def test_reset_and_override_are_recorded_by_path():
    document = one("services: {web: {ports: !reset [], command: !override [a], env: !reset null}}")
    assert document.tree == {"services": {"web": {"command": ["a"]}}}
    assert document.resets == [("services", "web", "ports"), ("services", "web", "env")]
    assert document.overrides == [("services", "web", "command")]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 'mapping key "a" already defined'),
        ("a:\n  - b\n c: 1\n", 3, "yaml: "),
        ("- a\n", 1, "top-level object must be a mapping"),
        ("a: !strange b\n", 1, "a has the unknown tag !strange"),
        ("a: *nowhere\n", 1, "undefined alias"),
        ("<<: 3\n", 1, "must be a mapping"),
    ],
)
def test_bad_yaml_names_file_and_line(text, line, words):
    with pytest.raises(FileInvalid, match=words) as caught:
        parse(text, "compose.yaml")
    assert (caught.value.file, caught.value.line) == ("compose.yaml", line)


def test_alias_bombs_are_refused():
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(FileInvalid, match="too many values"):
        parse("\n".join(lines), "bomb.yaml")


def test_a_value_that_contains_itself_is_refused():
    with pytest.raises(FileInvalid, match=r"deeply|recursive"):
        parse("a: &a\n  b: *a\n", "loop.yaml")


def test_several_documents_in_one_file():
    assert [d.tree for d in parse("a: 1\n---\nb: 2\n", "x")] == [{"a": 1}, {"b": 2}]


def test_a_byte_order_mark_is_skipped_and_bad_bytes_are_reported():
    assert parse(b"\xef\xbb\xbfa: 1", "x")[0].tree == {"a": 1}
    with pytest.raises(FileInvalid, match="not valid UTF-8"):
        parse(b"a: \xff", "x")


def test_locate_finds_the_line_of_values_list_items_and_key_value_items():
    document = one("services:\n  web:\n    ports:\n      - 80\n      - 81\n    environment:\n      - A=1\n")
    assert document.locate(("services", "web", "ports", 1)) == ("compose.yaml", 5)
    assert document.locate(("services", "web", "environment", "A")) == ("compose.yaml", 7)
    assert document.locate(("services", "web", "nothing", "here")) == ("compose.yaml", 2)
    assert not document.has(("services", "web", "nothing"))
