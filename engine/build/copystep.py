"""ADD and COPY: what is taken, where it goes, and doing it. All functions block."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.build import sources
from engine.build.copytree import CopyOptions, copy_into, follow, make_directories, opened
from engine.build.dockerignore import Ignore
from engine.build.expand import expand_heredoc
from engine.build.instructions import Instruction
from engine.build.metadata import State
from engine.build.sources import Source
from engine.errdefs import InvalidParameter
from engine.layer.compression import decompress, is_compressed
from engine.layer.confine import normalise, open_in_root
from engine.layer.unpack import UnpackOptions, unpack

_OCTAL = re.compile(r"[0-7]{1,4}")
_TAR_MAGIC = (257, b"ustar")


@dataclass(frozen=True, slots=True)
class Taken:
    """Sources below one root directory. archives: whether ADD unpacks them."""

    root: Path
    items: tuple[Source, ...]
    archives: bool = False


@dataclass(frozen=True, slots=True)
class CopyStep:
    """A resolved ADD or COPY. target: absolute; directory: whether it was written with a slash at its end."""

    instruction: str
    taken: tuple[Taken, ...]
    target: str
    written_target: str
    directory: bool
    chown: str = ""
    chmod: str = ""
    ignore: Ignore | None = None

    def created_by(self) -> str:
        """The line of history without the shell in front; it holds the digest of all that is taken."""
        excludes = self.ignore.excludes if self.ignore else None
        parts = [sources.digest(taken.root, taken.items, excludes) for taken in self.taken]
        flags = "".join(
            f"--{name}={value} " for name, value in (("chown", self.chown), ("chmod", self.chmod)) if value
        )
        return f"{self.instruction} {flags}{' '.join(parts)} in {self.written_target} "


def resolve(
    step: Instruction, state: State, root: Path, scratch: Path, fetched: Mapping[str, Taken]
) -> CopyStep:
    """Find everything an ADD or COPY names.

    root: the build context, or the other image's root. scratch: where here-documents are written.
    fetched: what was fetched for the sources that are URLs.
    """
    *patterns, target = [state.expand(word) for word in step.args]
    names = {heredoc.name for heredoc in step.heredocs}
    marks = {p for p in patterns if p.startswith("<<") and p.lstrip("<-").strip("'\"") in names}
    plain = [p for p in patterns if p not in marks and p not in fetched]
    taken = [fetched[p] for p in patterns if p in fetched]
    if step.heredocs:
        taken.append(_heredocs(step, state, scratch))
    if plain:
        taken.append(Taken(root, tuple(sources.find(root, plain, step.name)), step.name == "ADD"))
    absolute = posixpath.join("/", state.config.get("WorkingDir") or "/", target)
    directory = target.endswith("/") or posixpath.basename(target) in (".", "..")
    if sum(len(t.items) for t in taken) > 1 and not directory:
        raise InvalidParameter(
            f"When using {step.name} with more than one source file, the destination must be a directory "
            "and end with a /"
        )
    excludes = step.flags.get("exclude")
    return CopyStep(
        instruction=step.name,
        taken=tuple(taken),
        target="/" + normalise(absolute),
        written_target=target,
        directory=directory,
        chown=state.expand(step.flags.get("chown", "")),
        chmod=state.expand(step.flags.get("chmod", "")),
        ignore=Ignore(excludes.split("\n")) if excludes else None,
    )


def _heredocs(step: Instruction, state: State, scratch: Path) -> Taken:
    directory = scratch / f"heredoc-{step.line}"
    directory.mkdir(exist_ok=True)
    items = []
    for heredoc in step.heredocs:
        if "/" in heredoc.name or heredoc.name in (".", ".."):
            raise InvalidParameter(f"{step.name} failed: {heredoc.name!r} can't be a file's name")
        content = heredoc.content
        if heredoc.expand:
            content = expand_heredoc(content, state.variables(), state.escape)
        path = directory / heredoc.name
        path.write_text(content, errors="surrogateescape")
        path.chmod(0o644)
        items.append(Source(heredoc.name, "file"))
    return Taken(directory, tuple(items))


def perform(step: CopyStep, root: Path) -> None:
    """Do it in `root`, a mounted rw layer."""
    options = CopyOptions(
        owner=_owner(step.chown, root) if step.chown else None,
        mode=_mode(step.chmod) if step.chmod else None,
        excludes=step.ignore.excludes if step.ignore else None,
    )
    with opened(root) as root_fd:
        place = follow(root_fd, step.target)
        for taken in step.taken:
            with opened(taken.root) as source_fd:
                for item in taken.items:
                    if item.kind == "file" and taken.archives and _is_archive(source_fd, item.path):
                        _unpack(source_fd, item, root_fd, place, options)
                    else:
                        target = _target(step, place, item, root_fd)
                        copy_into(source_fd, item.path, root_fd, target, options)


def _target(step: CopyStep, place: str, item: Source, root_fd: int) -> str:
    """Where one source goes: a directory's content into the target, a file into it or in its place."""
    if item.kind == "dir":
        return place
    if step.directory or _is_directory(root_fd, place):
        return posixpath.join(place, item.name)
    return place


def _is_directory(root_fd: int, path: str) -> bool:
    try:
        os.close(open_in_root(root_fd, path, os.O_PATH | os.O_DIRECTORY))
    except OSError:
        return False
    return True


def _is_archive(root_fd: int, path: str) -> bool:
    """Whether ADD unpacks a file: it holds a tar archive, compressed or not, whatever its name."""
    fd = open_in_root(root_fd, path, os.O_RDONLY)
    with os.fdopen(fd, "rb") as file:
        compressed = is_compressed(file.read(6))
        file.seek(0)
        if not compressed:
            head = file.read(512)
        else:
            try:
                with decompress(file) as plain:
                    head = plain.read(512)
            except InvalidParameter:
                return False
    offset, magic = _TAR_MAGIC
    return head[offset : offset + len(magic)] == magic


def _unpack(root_fd: int, item: Source, target_fd: int, target: str, options: CopyOptions) -> None:
    make_directories(target_fd, target, options.owner)
    file = os.fdopen(open_in_root(root_fd, item.path, os.O_RDONLY), "rb")
    with decompress(file) as tar:
        unpack(tar, target_fd, UnpackOptions(owner=options.owner), below=normalise(target))


def _mode(text: str) -> int:
    if not _OCTAL.fullmatch(text):
        raise InvalidParameter(
            f"Invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777"
        )
    return int(text, 8)


def _owner(text: str, root: Path) -> tuple[int, int]:
    """``user[:group]`` as numbers, by the files of the image that is built; the group defaults to the
    user's own name or number."""
    user, _, group = text.partition(":")
    with opened(root) as fd:
        uid = _number(user, fd, "/etc/passwd", "uid for user")
        gid = _number(group or user, fd, "/etc/group", "gid for group")
    return uid, gid


def _number(name: str, root_fd: int, path: str, what: str) -> int:
    if name.isascii() and name.isdigit():
        return int(name)
    number = _table(root_fd, path).get(name)
    if number is None:
        raise InvalidParameter(
            f"unable to convert uid/gid chown string to host mapping: can't find {what} {name}: "
            f"no such {what.rpartition(' ')[2]}: {name}"
        )
    return number


def _table(root_fd: int, path: str) -> Mapping[str, int]:
    """name → number of /etc/passwd or /etc/group."""
    try:
        fd = open_in_root(root_fd, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return {}
    with os.fdopen(fd, "r", errors="replace") as file:
        rows: Sequence[list[str]] = [line.rstrip("\n").split(":") for line in file]
    return {row[0]: int(row[2]) for row in rows if len(row) > 2 and row[2].isdigit()}
