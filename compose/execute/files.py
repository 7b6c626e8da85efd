"""Secrets and configs that can't be a mount of their file: copied into the container."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

from compose.convert.mounts import file_target, is_mounted
from compose.errors import ComposeError
from compose.model import Body, Project

DEFAULT_MODE = 0o444


def copied_files(project: Project, body: Body, *, local: bool) -> bytes:
    """A tar archive of what has to be copied to ``/``; empty if there is nothing.

    Raises ComposeError for an unset variable or a file that can't be read.
    """
    out = io.BytesIO()
    count = 0
    with tarfile.open(fileobj=out, mode="w") as archive:
        for section in ("secrets", "configs"):
            definitions: dict[str, Any] = getattr(project, section)
            for reference in body.get(section) or ():
                definition = definitions[reference["source"]]
                if definition.get("external"):
                    what = f"{section[:-1]} {reference['source']}"
                    raise ComposeError(f"{what} is external: an engine has no store for it, give it a file")
                if local and is_mounted(definition, reference):
                    continue
                content = _content(project, f"{section[:-1]} {reference['source']}", definition)
                archive.addfile(_entry(section, reference, len(content)), io.BytesIO(content))
                count += 1
    return out.getvalue() if count else b""


def _entry(section: str, reference: dict[str, Any], size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(file_target(section, reference).lstrip("/"))
    entry.size = size
    entry.mode = int(reference.get("mode", DEFAULT_MODE))
    entry.uid = int(reference.get("uid") or 0)
    entry.gid = int(reference.get("gid") or 0)
    return entry


def _content(project: Project, what: str, definition: dict[str, Any]) -> bytes:
    if definition.get("environment"):
        name = definition["environment"]
        if name not in project.environment:
            raise ComposeError(f'environment variable "{name}" required by {what} is not set')
        return project.environment[name].encode()
    if definition.get("content") is not None:
        return str(definition["content"]).encode()
    try:
        return Path(definition["file"]).read_bytes()
    except OSError as exc:
        raise ComposeError(f"{what}: {definition['file']} couldn't be read: {exc.strerror}") from exc
