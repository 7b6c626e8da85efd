"""A build context as a tar archive, without what .dockerignore excludes.

Pattern rules are those of Go's filepath.Match with ``**`` added, and ``!`` to except; source:
the reference of Dockerfile, ".dockerignore file".
"""

from __future__ import annotations

import io
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from compose.errors import ComposeError

IN_MEMORY = 32 * 1024 * 1024


class Ignore:
    """The patterns of a .dockerignore file."""

    def __init__(self, text: str = "") -> None:
        self._rules: list[tuple[re.Pattern[str], bool]] = []
        for line in text.removeprefix("\ufeff").splitlines():
            pattern = line.strip()
            if not pattern or pattern.startswith("#"):
                continue
            excepting = pattern.startswith("!")
            pattern = os.path.normpath(pattern.removeprefix("!").strip()).lstrip("/")
            if pattern != ".":
                self._rules.append((_compile(pattern), excepting))
        self.has_exceptions = any(excepting for _, excepting in self._rules)

    def excludes(self, path: str) -> bool:
        """Whether a path relative to the context, with slashes, is left out. The last match decides;
        a pattern that matches a directory matches what is in it."""
        excluded = False
        for pattern, excepting in self._rules:
            if pattern.match(path):
                excluded = not excepting
        return excluded


def _compile(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**/", at):
            parts.append("(?:.*/)?")
            at += 3
            continue
        if pattern.startswith("**", at):
            parts.append(".*")
            at += 2
            continue
        if char == "*":
            parts.append("[^/]*")
        elif char == "?":
            parts.append("[^/]")
        elif char == "[" and "]" in pattern[at + 1 :]:
            end = pattern.index("]", at + 1)
            parts.append("[" + pattern[at + 1 : end].replace("\\", "\\\\") + "]")
            at = end
        elif char == "\\" and at + 1 < len(pattern):
            at += 1
            parts.append(re.escape(pattern[at]))
        else:
            parts.append(re.escape(char))
        at += 1
    return re.compile("".join(parts) + r"(?:/.*)?\Z", re.DOTALL)


def walk(root: Path, ignore: Ignore, always: frozenset[str]) -> Iterator[str]:
    """Relative paths of what belongs to the context, sorted, parents first."""
    pending = [""]
    while pending:
        directory = pending.pop()
        try:
            entries = sorted(os.scandir(root / directory), key=lambda entry: entry.name)
        except OSError as exc:
            raise ComposeError(f"build context: {root / directory} couldn't be read: {exc.strerror}") from exc
        subdirectories = []
        for entry in entries:
            path = f"{directory}/{entry.name}" if directory else entry.name
            excluded = ignore.excludes(path) and path not in always
            is_directory = entry.is_dir(follow_symlinks=False)
            if not excluded:
                yield path
            if is_directory and (not excluded or ignore.has_exceptions):
                subdirectories.append(path)
        pending.extend(reversed(subdirectories))


def archive(context: Path, dockerfile: str, inline: str | None = None) -> tuple[IO[bytes], str]:
    """A tar file of the context, positioned at its start, and the Dockerfile's name in it.

    dockerfile: relative to the context, or absolute; one outside of it is put in under another name.
    Raises ComposeError if the context or the Dockerfile can't be read.
    """
    if not context.is_dir():
        raise ComposeError(f"unable to prepare context: path {context} not found")
    extra: dict[str, bytes] = {}
    if inline is not None:
        name = ".dockerfile.inline"
        extra[name] = inline.encode()
        path = context / name
    else:
        path = context / dockerfile
        if not path.is_file():
            raise ComposeError(f"failed to read dockerfile: open {path}: no such file or directory")
        name = os.path.relpath(path, context)
        if name.startswith(".."):
            name = ".dockerfile.outside"
            extra[name] = path.read_bytes()
    ignore_file = path.with_name(path.name + ".dockerignore")
    if not ignore_file.is_file():
        ignore_file = context / ".dockerignore"
    ignore = Ignore(ignore_file.read_text(encoding="utf-8") if ignore_file.is_file() else "")
    out: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
    try:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for relative in walk(context, ignore, frozenset({name, ".dockerignore"})):
                tar.add(context / relative, arcname=relative, recursive=False, filter=_owned_by_root)
            for extra_name, content in extra.items():
                entry = tarfile.TarInfo(extra_name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    except OSError as exc:
        out.close()
        raise ComposeError(
            f"build context: {exc.filename or context} couldn't be read: {exc.strerror}"
        ) from exc
    except BaseException:
        out.close()
        raise
    out.seek(0)
    return out, name


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """As docker does: owners on this machine mean nothing in the image; sockets have no place in it."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
