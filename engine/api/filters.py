"""The `filters` query parameter of list, prune and event endpoints.

Two forms are in use, ``{"label": ["a", "b"]}`` and the older ``{"label": {"a": true, "b": true}}``;
an empty parameter is no filter. Values of one key are alternatives (labels excepted: all must
match), different keys must all match. Source: Engine API reference, "ContainerList", parameter `filters`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from engine.errdefs import InvalidParameter


class Filters:
    """Immutable: key → the values asked for, in the order given."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Iterable[str]] | None = None) -> None:
        self._values: dict[str, tuple[str, ...]] = {key: tuple(vs) for key, vs in (values or {}).items()}

    @classmethod
    def parse(cls, text: str | None) -> Filters:
        """From the query parameter; InvalidParameter if it is neither form."""
        if not text:
            return NONE
        try:
            raw = msgspec.json.decode(text, type=dict[str, Any] | None)
        except (msgspec.MsgspecError, UnicodeError) as exc:
            raise InvalidParameter(f"invalid filter: {exc}") from exc
        return cls({key: _alternatives(key, value) for key, value in (raw or {}).items()})

    def __bool__(self) -> bool:
        return bool(self._values)

    def __contains__(self, key: str) -> bool:
        return bool(self._values.get(key))

    def get(self, key: str) -> tuple[str, ...]:
        """The values of `key`, empty if it was not given."""
        return self._values.get(key, ())

    def keys(self) -> tuple[str, ...]:
        """The keys that have values."""
        return tuple(key for key, values in self._values.items() if values)

    def to_dict(self) -> dict[str, tuple[str, ...]]:
        """Key → values."""
        return dict(self._values)

    def to_json(self) -> str:
        """The parameter again, in the newer form."""
        return msgspec.json.encode({key: list(values) for key, values in self._values.items()}).decode()

    def validate(self, accepted: Collection[str]) -> None:
        """InvalidParameter for the first key that the endpoint does not know."""
        for key in self._values:
            if key not in accepted:
                raise InvalidParameter(f"invalid filter '{key}'")

    def boolean(self, key: str, default: bool = False) -> bool:
        """A yes-or-no filter such as `dangling`; InvalidParameter if it is neither or both."""
        values = set(self.get(key))
        if not values:
            return default
        if values <= {"1", "true"}:
            return True
        if values <= {"0", "false"}:
            return False
        raise InvalidParameter(f"invalid filter '{key}=[{' '.join(sorted(values))}]'")

    def exact(self, key: str, *candidates: str) -> bool:
        """Whether `key` was not given, or one of its values is one of the candidates."""
        values = self._values.get(key)
        return not values or any(value in candidates for value in values)

    def prefix(self, key: str, candidate: str) -> bool:
        """Whether `key` was not given, or one of its values begins the candidate (ids)."""
        values = self._values.get(key)
        return not values or any(candidate.startswith(value) for value in values)

    def match(self, key: str, *candidates: str) -> bool:
        """Whether `key` was not given, or a value of it, a regular expression, is found in a candidate."""
        values = self._values.get(key)
        return not values or any(_found(value, text) for value in values for text in candidates)

    def labels(self, labels: Mapping[str, str] | None, key: str = "label") -> bool:
        """Whether all ``label=k`` and ``label=k=v`` filters hold; with key "label!", whether none does."""
        have = labels or {}
        held = (self._holds(value, have) for value in self.get(key))
        return not any(held) if key.endswith("!") else all(held)

    @staticmethod
    def _holds(value: str, labels: Mapping[str, str]) -> bool:
        name, equals, wanted = value.partition("=")
        return name in labels and (not equals or labels[name] == wanted)


def _alternatives(key: str, value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    if isinstance(value, dict) and all(isinstance(flag, bool) for flag in value.values()):
        return [item for item, flag in value.items() if flag]
    raise InvalidParameter(f"invalid filter '{key}': give a list of strings")


def _found(pattern: str, text: str) -> bool:
    if pattern == text:
        return True
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


NONE = Filters()
