import pytest

from engine.build.dockerignore import parse
from engine.errdefs import InvalidParameter


@pytest.mark.parametrize(
    ("patterns", "excluded", "kept"),
    [
        ("node_modules", ["node_modules", "node_modules/a/b"], ["src/node_modules", "node_modules2"]),
        ("*.md", ["README.md"], ["docs/x.md"]),
        ("**/*.pyc", ["a.pyc", "x/y/a.pyc"], ["a.py"]),
        ("*/temp*", ["x/temp", "x/tempfile/y"], ["temp", "x/y/temp"]),
        ("temp?", ["tempa"], ["temp", "tempab"]),
        ("docs\n!docs/README.md", ["docs/a", "docs"], ["docs/README.md"]),
        ("*\n!src", ["a", "b/c"], ["src", "src/deep/x"]),
        ("!a\na", ["a"], []),
        ("/abs/\n# note\n\n", ["abs", "abs/x"], ["x/abs", "# note"]),
        ("a/**/b", ["a/b", "a/x/y/b"], ["a", "b"]),
        ("f[0-9].txt", ["f1.txt"], ["fx.txt"]),
        ("\\*", ["*"], ["a"]),
        ("./x/../y", ["y"], ["x"]),
    ],
)
def test_patterns(patterns: str, excluded: list[str], kept: list[str]) -> None:
    ignore = parse(patterns)
    assert [p for p in excluded if not ignore.excludes(p)] == []
    assert [p for p in kept if ignore.excludes(p)] == []


def test_a_malformed_pattern_is_named() -> None:
    with pytest.raises(InvalidParameter, match="syntax error in pattern"):
        parse("a[")
    with pytest.raises(InvalidParameter, match='illegal exclusion pattern: "!"'):
        parse("!")
