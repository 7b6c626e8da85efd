"""The content store: blobs under the digest of their bytes, in the OCI image layout.

    <root>/blobs/sha256/<hex>        complete and verified
    <root>/blobs/ingest/<name>       being written

Nothing gets its final name before its digest is verified, so whatever is there can be trusted.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from engine.errdefs import InvalidParameter, NotFound


class ContentStore:
    """Blobs by digest ("sha256:<hex>"). Safe to call from any thread; blocks."""

    def __init__(self, root: Path) -> None:
        self._blobs = root / "blobs" / "sha256"
        self._ingest = root / "blobs" / "ingest"
        self._blobs.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._ingest, ignore_errors=True)  # what a crash left unfinished
        self._ingest.mkdir()

    def path(self, digest: str) -> Path:
        """Where the blob is, or would be. InvalidParameter if it is no sha256 digest."""
        algorithm, _, encoded = digest.partition(":")
        if algorithm != "sha256" or len(encoded) != 64 or not set(encoded) <= set("0123456789abcdef"):
            raise InvalidParameter(f"invalid digest {digest!r}: expected sha256 and 64 hexadecimal digits")
        return self._blobs / encoded

    def has(self, digest: str) -> bool:
        """Whether the blob is there."""
        return self.path(digest).exists()

    def size(self, digest: str) -> int:
        """Its size in bytes; NotFound."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError as exc:
            raise NotFound(f"no such blob: {digest}") from exc

    def open(self, digest: str) -> BinaryIO:
        """Open for reading; NotFound."""
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError as exc:
            raise NotFound(f"no such blob: {digest}") from exc

    def read(self, digest: str) -> bytes:
        """A small blob's bytes; NotFound."""
        with self.open(digest) as file:
            return file.read()

    def put(self, data: bytes) -> str:
        """Store bytes and return their digest, without waiting for the disk."""
        with self.writer() as writer:
            writer.write(data)
            return writer.commit(sync=False)

    def writer(self) -> BlobWriter:
        """A new blob to be written piece by piece."""
        return BlobWriter(self, self._ingest / secrets.token_hex(8))

    def remove(self, digest: str) -> None:
        """Delete it; a missing one is no error."""
        self.path(digest).unlink(missing_ok=True)

    def list(self) -> list[str]:
        """All digests."""
        return ["sha256:" + entry.name for entry in self._blobs.iterdir()]


class BlobWriter:
    """Writes one blob. Leaving the ``with`` block without `commit` throws it away."""

    def __init__(self, store: ContentStore, path: Path) -> None:
        self._store = store
        self._path = path
        self._file = path.open("xb", buffering=0)
        self._hash = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Append."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._hash.update(data)
        self.size += len(data)

    def restart(self) -> None:
        """Forget what was written: the transfer begins anew."""
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.sha256()
        self.size = 0

    def digest(self) -> str:
        """The digest of what was written so far."""
        return "sha256:" + self._hash.hexdigest()

    def commit(self, expected: str | None = None, *, sync: bool = True) -> str:
        """Make it a blob and return its digest; InvalidParameter if that is not the `expected` one.

        sync: wait until it would survive a power cut.
        """
        digest = self.digest()
        if expected is not None and digest != expected:
            raise InvalidParameter(f"unexpected digest: the content is {digest}, {expected} was asked for")
        if sync:
            os.fsync(self._file.fileno())
        self._path.rename(self._store.path(digest))
        return digest
