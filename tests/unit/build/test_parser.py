import pytest

from engine.build.instructions import interpret, interpret_line, split_words
from engine.build.parser import DockerfileError, parse
from engine.errdefs import InvalidParameter


def test_lines_are_joined_and_comments_dropped() -> None:
    text = "# note\n\nFROM a AS b\n  RUN echo 1 && \\\n   # inside\n\n  echo 2  \\  \n && true\nCMD x\n"
    dockerfile = parse(text)
    assert [(n.name, n.first, n.last) for n in dockerfile.nodes] == [
        ("FROM", 3, 3),
        ("RUN", 4, 8),
        ("CMD", 9, 9),
    ]
    assert dockerfile.nodes[1].args == "echo 1 &&   echo 2   && true"
    assert "Empty continuation line" in dockerfile.warnings[0]


def test_directives_only_at_the_top() -> None:
    dockerfile = parse("# syntax=docker/dockerfile:1\n# escape=`\nFROM a\nRUN a `\n b\\\nCMD x")
    assert dockerfile.escape == "`"
    assert [n.args for n in dockerfile.nodes] == ["a", "a  b\\", "x"]
    assert parse("# note\n# escape=`\nFROM a").escape == "\\"
    with pytest.raises(DockerfileError, match="only one escape parser directive can be used"):
        parse("# escape=`\n# escape=`\nFROM a")
    with pytest.raises(DockerfileError, match="invalid ESCAPE 'x'"):
        parse("# escape=x\nFROM a")


def test_byte_order_mark_and_windows_line_ends() -> None:
    assert [n.name for n in parse("\ufeffFROM a\r\nRUN b \\\r\n c\r\n").nodes] == ["FROM", "RUN"]


@pytest.mark.parametrize("text", ["", "# only a comment\n"])
def test_an_empty_file_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match=r"cannot be empty|file with no instructions"):
        parse(text)


def test_flags_are_split_off() -> None:
    node = parse('FROM a\nCOPY --from=x --chown="a b" -- --odd y').nodes[1]
    assert node.flags == ("--from=x", "--chown=a b")
    assert node.args == "--odd y"


def test_heredocs() -> None:
    text = "FROM a\nRUN <<EOF\necho $A\nEOF\nCOPY <<-'x y' <<B /dst/\n"
    text = text.replace("<<-'x y'", "<<-'one'") + "\t\ttab\n\tone\nb\nB\nRUN cat <<< word\n"
    run, copy, last = parse(text).nodes[1:]
    assert [(h.name, h.content, h.expand) for h in run.heredocs] == [("EOF", "echo $A\n", True)]
    assert [(h.name, h.content, h.expand) for h in copy.heredocs] == [
        ("one", "tab\n", False),
        ("B", "b\n", True),
    ]
    assert not last.heredocs
    with pytest.raises(DockerfileError, match="line 2: unterminated heredoc 'EOF'"):
        parse("FROM a\nRUN <<EOF\necho")


def test_quoted_text_is_no_heredoc() -> None:
    assert not parse("FROM a\nRUN echo '<<EOF' \"<<X\"\n").nodes[1].heredocs


@pytest.mark.parametrize(
    ("line", "args", "json"),
    [
        ("RUN echo  hi", ("echo  hi",), False),
        ('RUN ["a", "b c"]', ("a", "b c"), True),
        ("RUN [a", ("[a",), False),
        ("CMD", (), False),
        ("EXPOSE 80 53/udp", ("80", "53/udp"), False),
        ('COPY ["a b", "/c"]', ("a b", "/c"), True),
        ("HEALTHCHECK NONE", ("NONE",), False),
        ("HEALTHCHECK --interval=5s CMD true 1", ("CMD-SHELL", "true 1"), False),
        ('HEALTHCHECK CMD ["true"]', ("CMD", "true"), False),
        ("ONBUILD RUN x", ("RUN x",), False),
        ("from a as B", ("a", "b"), False),
        ("WORKDIR /a b", ("/a b",), False),
    ],
)
def test_forms(line: str, args: tuple[str, ...], json: bool) -> None:
    step = interpret_line(line)
    assert (step.args, step.json) == (args, json)


@pytest.mark.parametrize(
    ("line", "pairs"),
    [
        ('ENV A=1 B="two words" C=a\\ b', (("A", "1"), ("B", '"two words"'), ("C", "a\\ b"))),
        ("ENV A all the rest", (("A", "all the rest"),)),
        ('LABEL "multi word"=z', (('"multi word"', "z"),)),
    ],
)
def test_pairs(line: str, pairs: tuple[tuple[str, str], ...]) -> None:
    assert interpret_line(line).pairs == pairs


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("FOO bar", "unknown instruction: FOO"),
        ("FORM bar", r"unknown instruction: FORM \(did you mean FROM\?\)"),
        ("FROM", "FROM requires either one or three arguments"),
        ("FROM a of b", "FROM requires either one or three arguments"),
        ("FROM a AS 1x", 'invalid name for build stage: "1x"'),
        ("COPY a", "COPY requires at least two arguments, but only one was provided"),
        ("COPY", "COPY requires at least two arguments"),
        ("COPY --bad=1 a b", "Unknown flag: bad"),
        ("COPY --form=1 a b", r"Unknown flag: form \(did you mean from\?\)"),
        ("COPY --chown a b", "Missing a value on flag: chown"),
        ("COPY --chown=1 --chown=2 a b", "Duplicate flag specified: chown"),
        ("COPY --link=x a b", "Expecting boolean value for flag link, not: x"),
        ("WORKDIR", "WORKDIR requires exactly one argument"),
        ("ENV a", "ENV must have two arguments"),
        ("ENV a=1 b", 'can\'t find = in "b"'),
        ("ENV =1", "ENV names can not be blank"),
        ("SHELL sh", "SHELL requires the arguments to be in JSON form"),
        ("VOLUME", "VOLUME requires at least one argument"),
        ("CMD [1]", "arrays must be comprised of strings only"),
        ("HEALTHCHECK foo", r'Unknown type "FOO" in HEALTHCHECK \(try CMD\)'),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("ONBUILD ONBUILD RUN x", "Chaining ONBUILD"),
        ("ONBUILD FOO", "unknown instruction: FOO"),
    ],
)
def test_errors_name_line_and_instruction(line: str, words: str) -> None:
    node = parse(f"\n\n{line}\n").nodes[0]
    with pytest.raises(DockerfileError, match=f"^dockerfile parse error line 3: .*{words}"):
        interpret(node)


def test_words_keep_their_quotes() -> None:
    assert split_words("a \"b c\" d\\ e 'f g'h") == ["a", '"b c"', "d\\ e", "'f g'h"]
