"""`.dockerignore`: which paths of a build context are left out.

Source: the build documentation, "dockerignore files". Patterns are matched against whole paths
from the context's root, or against a directory above them; ``*`` and ``?`` stop at a slash,
``**`` does not; the last pattern that matches decides; ``!`` takes back in.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from engine.errdefs import InvalidParameter


class Ignore:
    """The patterns of one file, in order."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._rules = [(p.startswith("!"), _regex(p.removeprefix("!"))) for p in patterns]
        self.has_exceptions = any(keep for keep, _ in self._rules)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def excludes(self, path: str) -> bool:
        """Whether `path` (relative, normalised) is left out, itself or with a directory above it."""
        excluded = False
        for keep, regex in self._rules:
            if keep == excluded and regex.fullmatch(path):
                excluded = not keep
        return excluded


def parse(text: str) -> Ignore:
    """Read a `.dockerignore` file. Raises InvalidParameter for a malformed pattern."""
    patterns = []
    for line in text.removeprefix("\ufeff").splitlines():
        pattern = line.strip()
        if not pattern or line.startswith("#"):
            continue
        negated = pattern.startswith("!")
        pattern = pattern[1:].strip() if negated else pattern
        if not pattern:
            raise InvalidParameter('illegal exclusion pattern: "!"')
        cleaned = posixpath.normpath(pattern).lstrip("/")
        if cleaned and cleaned != ".":
            patterns.append(f"!{cleaned}" if negated else cleaned)
    return Ignore(patterns)


def _regex(pattern: str) -> re.Pattern[str]:
    """The pattern as an expression that also matches what lies below what it matches."""
    try:
        return re.compile(translate(pattern) + r"(?:/.*)?", re.DOTALL)
    except re.error as exc:
        raise InvalidParameter(f"syntax error in pattern {pattern!r}: {exc}") from exc


def translate(pattern: str) -> str:
    """A glob with ``*``, ``?``, ``[…]``, ``**`` and backslash as a regular expression."""
    result, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*" and pattern.startswith("*", at):
            at += 1
            if pattern.startswith("/", at):
                at += 1
                result += "(?:.*/)?"
            else:
                result += ".*"
        elif char == "*":
            result += "[^/]*"
        elif char == "?":
            result += "[^/]"
        elif char == "[":
            end = pattern.find("]", at + 1)
            if end < 0:
                raise InvalidParameter(f"syntax error in pattern {pattern!r}: missing ]")
            body = pattern[at:end].replace("\\", "\\\\")
            result += f"[{body}]"
            at = end + 1
        elif char == "\\" and at < len(pattern):
            result += re.escape(pattern[at])
            at += 1
        else:
            result += re.escape(char)
    return result
