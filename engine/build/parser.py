"""Dockerfile text → instructions with their line numbers. Knows lines, not meanings.

Source: the Dockerfile reference, "Format", "Parser directives" and "Here-documents"
(https://docs.docker.com/reference/dockerfile/). In order, this

1. reads the directives at the very top (``# escape=`` is the one that changes parsing),
2. drops comment lines, joins continued lines, and
3. takes the here-documents that a joined line of ADD, COPY or RUN announces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from engine.errdefs import InvalidParameter

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVES = frozenset({"escape", "syntax", "check"})
_FLAG = re.compile(r"--[A-Za-z]")
_HEREDOC = re.compile(r"""(\d*)<<(-?)(?:"([^"\s]+)"|'([^'\s]+)'|([^\s<"'|&;()]+))""")
_WITH_HEREDOCS = frozenset({"ADD", "COPY", "RUN"})


class DockerfileError(InvalidParameter):
    """The Dockerfile is malformed. line: where, counted from 1; the message names it as docker does."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"dockerfile parse error line {line}: {message}")
        self.line = line
        self.reason = message


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A here-document. expand: whether variables in it are replaced (its name was not quoted).

    content: with the leading tabs taken away if it was ``<<-``.
    """

    name: str
    content: str
    expand: bool
    strip_tabs: bool


@dataclass(frozen=True, slots=True)
class Node:
    """One instruction. name: in upper case. args: the rest of the joined line after the flags.

    original: the joined line as written, for the step's title. first, last: its lines.
    """

    name: str
    flags: tuple[str, ...]
    args: str
    original: str
    first: int
    last: int
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A parsed file. escape: the escape character. warnings: lines to show the user."""

    nodes: tuple[Node, ...]
    escape: str = "\\"
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Lines:
    """A cursor over the physical lines."""

    lines: list[str]
    at: int = 0
    warnings: list[str] = field(default_factory=list)

    def next(self) -> str | None:
        if self.at >= len(self.lines):
            return None
        self.at += 1
        return self.lines[self.at - 1]


def parse(text: str, name: str = "Dockerfile") -> Dockerfile:
    """Split a Dockerfile into instructions.

    name: for messages. Raises InvalidParameter for an empty file, DockerfileError for a bad line.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if not text:
        raise InvalidParameter(f"the Dockerfile ({name}) cannot be empty")
    cursor = _Lines(text.split("\n"))
    escape = _directives(cursor)
    nodes = []
    while (node := _instruction(cursor, escape)) is not None:
        nodes.append(node)
    if not nodes:
        raise InvalidParameter(f"failed to parse {name}: file with no instructions")
    return Dockerfile(tuple(nodes), escape, tuple(cursor.warnings))


def parse_line(line: str, number: int = 1, escape: str = "\\") -> Node:
    """One instruction given on its own (ONBUILD triggers, ``--change``)."""
    stripped = line.strip()
    if not stripped:
        raise InvalidParameter("file with no instructions")
    return _node(stripped, number, number, escape)


def _directives(cursor: _Lines) -> str:
    """Read the directives; the first line that is none ends them. Returns the escape character."""
    escape = "\\"
    seen: set[str] = set()
    while cursor.at < len(cursor.lines):
        match = _DIRECTIVE.fullmatch(cursor.lines[cursor.at].strip())
        key = match.group(1).lower() if match else ""
        if match is None or key not in _DIRECTIVES:
            break
        cursor.at += 1
        if key in seen:
            raise DockerfileError(cursor.at, f"only one {key} parser directive can be used")
        seen.add(key)
        if key == "escape":
            escape = match.group(2)
            if escape not in ("\\", "`"):
                raise DockerfileError(cursor.at, f"invalid ESCAPE '{escape}'. Must be ` or \\")
    return escape


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _instruction(cursor: _Lines, escape: str) -> Node | None:
    """The next instruction with its continuation lines and here-documents; None at the end."""
    continued = re.compile(rf"{re.escape(escape)}[ \t]*$")
    while (line := cursor.next()) is not None:
        if line.strip() and not _is_comment(line):
            break
    if line is None:
        return None
    first = cursor.at
    joined, empty = line.lstrip(), False
    while continued.search(joined):
        joined = continued.sub("", joined)
        following = cursor.next()
        while following is not None and (_is_comment(following) or not following.strip()):
            empty = empty or not following.strip()
            following = cursor.next()
        if following is None:
            break
        joined += following
    joined = joined.strip()
    if empty:
        cursor.warnings.append(f"[WARNING]: Empty continuation line found in:\n    {joined}\n")
    node = _node(joined, first, cursor.at, escape)
    if node.name not in _WITH_HEREDOCS or "<<" not in node.args:
        return node
    return _with_heredocs(node, cursor)


def _node(line: str, first: int, last: int, escape: str) -> Node:
    name, _, rest = line.partition(" ") if " " in line else line.partition("\t")
    if "\t" in name:
        name, _, more = name.partition("\t")
        rest = f"{more} {rest}"
    flags, args = _split_flags(rest.strip(), escape)
    return Node(name.upper(), tuple(flags), args, line, first, last)


def _split_flags(rest: str, escape: str) -> tuple[list[str], str]:
    """Words that start with ``--`` up to the first that does not; ``--`` alone ends them."""
    flags: list[str] = []
    while rest.startswith("--"):
        word, after = _first_word(rest, escape)
        if word == "--":
            return flags, after
        if not _FLAG.match(word):
            break
        flags.append(word)
        rest = after
    return flags, rest


def _first_word(text: str, escape: str) -> tuple[str, str]:
    """Split off one word; quotes and the escape character keep spaces together and are removed."""
    word, quote, at = "", "", 0
    while at < len(text):
        char = text[at]
        if char == escape and quote != "'" and at + 1 < len(text):
            word += text[at + 1]
            at += 2
            continue
        if quote:
            if char == quote:
                quote = ""
            else:
                word += char
        elif char in "'\"":
            quote = char
        elif char.isspace():
            break
        else:
            word += char
        at += 1
    return word, text[at:].lstrip()


def _with_heredocs(node: Node, cursor: _Lines) -> Node:
    """Read the here-documents that `node` announces from the lines that follow it."""
    found = []
    for match in _HEREDOC.finditer(node.args):
        if _inside_quotes(node.args, match.start()) or node.args[match.start() - 1 : match.start()] == "<":
            continue
        quoted = match.group(3) or match.group(4)
        found.append((quoted or match.group(5), quoted is None, match.group(2) == "-"))
    if node.args.lstrip().startswith("["):
        found = []
    heredocs = []
    for name, expand, strip_tabs in found:
        lines = []
        while (line := cursor.next()) is not None:
            text = line.lstrip("\t") if strip_tabs else line
            if text == name:
                break
            lines.append(text + "\n")
        if line is None:
            raise DockerfileError(node.first, f"unterminated heredoc {name!r}: no line with just {name}")
        heredocs.append(Heredoc(name, "".join(lines), expand, strip_tabs))
    return Node(node.name, node.flags, node.args, node.original, node.first, cursor.at, tuple(heredocs))


def _inside_quotes(text: str, position: int) -> bool:
    quote = ""
    for char in text[:position]:
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
    return bool(quote)
