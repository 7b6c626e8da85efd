"""A reader that hashes what passes through it."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

_CHUNK = 1 << 20


class HashingReader:
    """Reads from `source` and keeps the sha256 and the count of the bytes read so far."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self.count = 0

    def read(self, size: int = -1, /) -> bytes:
        """As the source's read."""
        data = self._source.read(size)
        self._hash.update(data)
        self.count += len(data)
        return data

    def drain(self) -> None:
        """Read to the end."""
        while self.read(_CHUNK):
            pass

    def digest(self) -> str:
        """ "sha256:<hex>" of what was read."""
        return "sha256:" + self._hash.hexdigest()

    @staticmethod
    def of(data: bytes) -> str:
        """The digest of bytes."""
        return "sha256:" + hashlib.sha256(data).hexdigest()

    def close(self) -> None:
        """Close the source too."""
        self._source.close()
