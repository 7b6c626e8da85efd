"""An inverted index that counts: key → the ids that have it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Set
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


class Postings(Mapping[K, Set[str]]):
    """Maps a key to the set of ids it was added for, in constant time and without copying.

    An id may be added several times for one key (two containers of a node that carry the same label) and
    stays until it was discarded as often. An unknown key has the empty set.
    """

    def __init__(self) -> None:
        self._counts: dict[K, dict[str, int]] = {}

    def add(self, key: K, member: str) -> None:
        """Count `member` once more for `key`."""
        counts = self._counts.setdefault(key, {})
        counts[member] = counts.get(member, 0) + 1

    def discard(self, key: K, member: str) -> None:
        """Undo one `add`."""
        counts = self._counts.get(key)
        if counts is None or member not in counts:
            return
        counts[member] -= 1
        if counts[member] == 0:
            del counts[member]
            if not counts:
                del self._counts[key]

    def __getitem__(self, key: K) -> Set[str]:
        counts = self._counts.get(key)
        return counts.keys() if counts is not None else frozenset()

    def __iter__(self) -> Iterator[K]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def __contains__(self, key: object) -> bool:
        return key in self._counts
