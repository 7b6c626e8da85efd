"""The name of a project without loading it, for verbs that need only its containers."""

from __future__ import annotations

from pathlib import Path

from compose.errors import FileInvalid
from compose.loader.discovery import STDIN, Options, normalize_name, project_name, surroundings
from compose.loader.interpolate import interpolate
from compose.loader.parse import parse


def light_project_name(options: Options) -> str:
    """As `load_project` would name it: -p and COMPOSE_PROJECT_NAME need no file at all.

    Raises ConfigurationNotFound, FileInvalid.
    """
    given = options.project_name or options.environ.get("COMPOSE_PROJECT_NAME", "")
    if given and normalize_name(given) == given:
        return given
    found = surroundings(options)
    declared = ""
    for file in found.files:
        if file == STDIN:
            raise FileInvalid("a file from standard input needs the project's name here: use -p")
        text = Path(file).read_bytes()
        if b"name" not in text:
            continue
        for document in parse(text, file):
            name = document.tree.get("name")
            if name:
                declared = str(interpolate(name, found.environment))
    return project_name(options, found, declared)
