"""The terms of constraints, affinities and whitelists.

    term   = key operator value
    key    = a letter or _, then at least one of letters, digits, - _ .
    operator = "==" | "!="           ("==" is looked for first, wherever it stands)
    value  = ["~"] ( "/" regexp "/" | glob )

``~`` makes a term soft: wished for, dropped when it can't be had. In a glob ``*`` is any text; every other
character means what it means in a regular expression, and the whole value must match. A regexp
matches anywhere. The grammar is that of classic Swarm, which users know (scheduler/filter/expr.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from scheduler.errors import InvalidExpression

_OPERATORS = ("==", "!=")
_KEY = re.compile(r"[a-z_][a-z0-9\-_.]+", re.IGNORECASE | re.ASCII)
_VALUE = re.compile(r"[=!/]?~?[a-z0-9:\-_\s.*/()?+\[\]\\^$|]+", re.IGNORECASE | re.ASCII)
_LITERAL = re.compile(r"[a-z0-9:\-_/]+", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Expression:
    """One parsed term."""

    key: str
    operator: str
    value: str
    soft: bool = False

    @property
    def negated(self) -> bool:
        """Whether the operator is ``!=``."""
        return self.operator == "!="

    @property
    def literal(self) -> str | None:
        """The one text that the value matches, if it has no pattern in it."""
        return self.value if _LITERAL.fullmatch(self.value) and not self._is_regexp else None

    @property
    def _is_regexp(self) -> bool:
        return len(self.value) >= 2 and self.value[0] == "/" and self.value[-1] == "/"

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The value compiled; use `search`."""
        source = self.value[1:-1] if self._is_regexp else r"\A(?:" + self.value.replace("*", ".*") + r")\Z"
        if re.search(r"\\[1-9]", source):
            raise InvalidExpression(f"Value '{self.value}' is invalid: back-references are not allowed")
        try:
            return re.compile(source, re.ASCII)
        except (re.error, OverflowError, RecursionError) as exc:
            raise InvalidExpression(f"Value '{self.value}' is invalid: {exc}") from exc

    def hits(self, text: str) -> bool:
        """Whether `text` matches the value, the operator aside."""
        return self.pattern.search(text) is not None

    def matches(self, texts: Iterable[str]) -> bool:
        """Whether the term holds for something that goes by all of `texts`: any of them equal, or none."""
        return any(self.hits(text) for text in texts) != self.negated

    def __str__(self) -> str:
        return f"{self.key}{self.operator}{self.value}"

    def describe(self) -> str:
        """With its softness, as the refusal lists it."""
        return f"{self} (soft={str(self.soft).lower()})"


@lru_cache(maxsize=4096)
def parse(term: str) -> Expression:
    """One term; InvalidExpression with the original's words if it is malformed."""
    for operator in _OPERATORS:
        if operator not in term:
            continue
        key, _, value = term.partition(operator)
        if not _KEY.fullmatch(key):
            raise InvalidExpression(f"Key '{key}' is invalid")
        if not _VALUE.fullmatch(value):
            raise InvalidExpression(f"Value '{value}' is invalid")
        expression = Expression(key, operator, value.lstrip("~"), value.startswith("~"))
        _ = expression.pattern
        return expression
    raise InvalidExpression("One of operator ==, != is expected")


def parse_all(terms: Iterable[str], soft: bool) -> list[Expression]:
    """All terms; soft ones only if `soft` (the first of the two passes)."""
    return [e for e in map(parse, terms) if soft or not e.soft]
