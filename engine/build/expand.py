"""Variables and quotes in the words of a Dockerfile, as its reference defines them.

Understood are ``$name``, ``${name}`` and the modifiers

    ${name:-word} ${name-word}     word if name is unset (with ":" also if empty)
    ${name:+word} ${name+word}     word if name is set (with ":" and not empty), else nothing
    ${name:?word} ${name?word}     fail with word
    ${name#pat} ${name##pat}       without the shortest/longest match of pat at the start
    ${name%pat} ${name%%pat}       … at the end
    ${name/pat/word} ${name//pat/word}   the first/every match replaced

Single quotes keep everything; in double quotes variables are replaced; the escape character takes
a character's meaning away.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.errdefs import InvalidParameter

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL = "@*#?-$!0"


class ExpansionError(InvalidParameter):
    """A word can't be expanded; the message names word and reason as docker does."""


def expand(word: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """`word` with variables replaced and quotes removed."""
    return _run(word, variables, escape).text


def expand_words(word: str, variables: Mapping[str, str], escape: str = "\\") -> list[str]:
    """The same, split at blanks that are not quoted, those of variables' values included (EXPOSE)."""
    state = _run(word, variables, escape)
    return state.words()


def expand_heredoc(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """Variables replaced, quotes kept: the content of an unquoted here-document."""
    return _run(text, variables, escape, keep_quotes=True).text


def used_names(word: str) -> set[str]:
    """Names of the variables that `word` mentions."""
    return {match.group(1) for match in re.finditer(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)", word)}


def _run(word: str, variables: Mapping[str, str], escape: str, keep_quotes: bool = False) -> _Lexer:
    lexer = _Lexer(word, variables, escape, keep_quotes)
    try:
        lexer.text = lexer.until("")
    except ExpansionError as exc:
        raise ExpansionError(f'failed to process "{word}": {exc}') from exc
    return lexer


@dataclass(slots=True)
class _Lexer:
    source: str
    variables: Mapping[str, str]
    escape: str
    keep_quotes: bool = False
    at: int = 0
    text: str = ""
    # Blanks that separate words have been marked, so that quoted ones don't.
    split: list[tuple[str, bool]] = field(default_factory=list)

    def words(self) -> list[str]:
        words, current, open_word = [], "", False
        for piece, quoted in self.split:
            if quoted:
                current, open_word = current + piece, True
                continue
            for part in re.split(r"(\s+)", piece):
                if part.isspace():
                    if open_word:
                        words.append(current)
                    current, open_word = "", False
                elif part:
                    current, open_word = current + part, True
        return [*words, current] if open_word else words

    def until(self, stop: str) -> str:
        """Expand up to an unquoted character of `stop`, which is not consumed, or to the end."""
        result = ""
        while self.at < len(self.source):
            char = self.source[self.at]
            if stop and char in stop:
                return result
            piece, quoted = self._piece(char)
            result += piece
            if not stop:
                self.split.append((piece, quoted))
        if stop:
            raise ExpansionError("unexpected end of statement while looking for matching }")
        return result

    def _piece(self, char: str) -> tuple[str, bool]:
        if char == "'" and not self.keep_quotes:
            return self._single(), True
        if char == '"' and not self.keep_quotes:
            return self._double(), True
        if char == "$":
            return self._dollar(), False
        self.at += 1
        if char == self.escape and self.at < len(self.source):
            following = self.source[self.at]
            if self.keep_quotes and following not in (self.escape, "$"):
                return char, True
            self.at += 1
            return following, True
        return char, False

    def _single(self) -> str:
        end = self.source.find("'", self.at + 1)
        if end < 0:
            raise ExpansionError("unexpected end of statement while looking for matching single-quote")
        text = self.source[self.at + 1 : end]
        self.at = end + 1
        return text

    def _double(self) -> str:
        self.at += 1
        result = ""
        while self.at < len(self.source):
            char = self.source[self.at]
            if char == '"':
                self.at += 1
                return result
            if char == "$":
                result += self._dollar()
                continue
            self.at += 1
            if char == self.escape and self.at < len(self.source):
                following = self.source[self.at]
                if following in ('"', "$", self.escape):
                    result += following
                    self.at += 1
                    continue
            result += char
        raise ExpansionError("unexpected end of statement while looking for matching double-quote")

    def _dollar(self) -> str:
        self.at += 1
        if self.source[self.at : self.at + 1] == "{":
            self.at += 1
            return self._braces()
        match = _NAME.match(self.source, self.at)
        if match is not None:
            self.at = match.end()
            return self.variables.get(match.group(), "")
        following = self.source[self.at : self.at + 1]
        if following and (following in _SPECIAL or following.isdigit()):
            self.at += 1  # a shell's parameter: there is none here
            return self.variables.get(following, "")
        return "$"

    def _braces(self) -> str:
        match = _NAME.match(self.source, self.at)
        if match is None:
            raise ExpansionError(
                "bad substitution" if self.at < len(self.source) else "syntax error: missing '}'"
            )
        name, self.at = match.group(), match.end()
        value = self.variables.get(name)
        rest = self.source[self.at :]
        for operator in ("}", ":-", ":+", ":?", "-", "+", "?", "##", "#", "%%", "%", "//", "/"):
            if rest.startswith(operator):
                self.at += len(operator)
                return "" if operator == "}" and value is None else self._apply(operator, name, value)
        if not rest:
            raise ExpansionError("syntax error: missing '}'")
        raise ExpansionError(f"unsupported modifier ({rest[:2]}) in substitution")

    def _apply(self, operator: str, name: str, value: str | None) -> str:
        if operator == "}":
            return value or ""
        word = self.until("/}" if operator in ("/", "//") else "}")
        replacement = ""
        if operator in ("/", "//") and self.source[self.at] == "/":
            self.at += 1
            replacement = self.until("}")
        self.at += 1
        kind = operator.removeprefix(":")
        if kind in ("-", "+", "?"):
            present = bool(value) if operator.startswith(":") else value is not None
            return _default(kind, name, value or "", present, word)
        if kind in ("/", "//"):
            regex = re.compile(_pattern(word, greedy=True), re.DOTALL)
            return regex.sub(lambda _: replacement, value or "", count=0 if kind == "//" else 1)
        return _trim(kind, value or "", word)


def _default(kind: str, name: str, value: str, present: bool, word: str) -> str:
    if kind == "-":
        return value if present else word
    if kind == "+":
        return word if present else ""
    if not present:
        raise ExpansionError(f"{name}: {word or 'not allowed to be unset'}")
    return value


def _trim(kind: str, value: str, pattern: str) -> str:
    regex = re.compile(_pattern(pattern, greedy=len(kind) == 2), re.DOTALL)
    if kind.startswith("#"):
        match = regex.match(value)
        return value[match.end() :] if match else value
    # The shortest match at the end starts last, the longest first.
    starts = range(len(value) + 1) if kind == "%%" else range(len(value), -1, -1)
    for start in starts:
        if regex.fullmatch(value, start):
            return value[:start]
    return value


def _pattern(glob: str, *, greedy: bool) -> str:
    """A shell pattern (``*``, ``?``, backslash) as a regular expression."""
    result, at = "", 0
    while at < len(glob):
        char = glob[at]
        if char == "*":
            result += ".*" if greedy else ".*?"
        elif char == "?":
            result += "."
        elif char == "\\" and at + 1 < len(glob):
            at += 1
            result += re.escape(glob[at])
        else:
            result += re.escape(char)
        at += 1
    return result
