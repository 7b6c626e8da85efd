"""Where a project's files are, what it is called, and which variables its files may use."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compose.errors import ConfigurationNotFound, FileInvalid
from compose.loader.dotenv import read_dotenv

FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
OVERRIDES = (
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yaml",
    "docker-compose.override.yml",
)
STDIN = "-"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")


@dataclass(slots=True)
class Options:
    """What the command line and the process's environment say about which project is meant."""

    files: tuple[str, ...] = ()
    project_name: str = ""
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    project_directory: str = ""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    cwd: Path = field(default_factory=Path.cwd)


@dataclass(slots=True)
class Surroundings:
    """The answer: absolute paths of the files ("-" is stdin), the project directory, the variables."""

    files: list[str]
    directory: Path
    environment: dict[str, str]
    profiles: tuple[str, ...]
    env_files: list[str]


def surroundings(options: Options) -> Surroundings:
    """Find the files of the project and the variables they may use.

    The process's environment wins over env files; of several env files the later wins; without any,
    ``.env`` of the working directory is read, and then that of the project directory. An env file
    may name the compose files (COMPOSE_FILE), so it is read first.
    Raises ConfigurationNotFound.
    """
    environ = options.environ
    explicit = list(options.env_files) or _split(environ.get("COMPOSE_ENV_FILES", ""), ",")
    directory = (options.cwd / options.project_directory).resolve() if options.project_directory else None
    if explicit:
        env_files = [str((options.cwd / name).resolve()) for name in explicit]
    else:
        env_files = _default_env(directory or options.cwd, environ)
    variables = _read(env_files, environ)
    lookup = {**variables, **environ}
    files = _files(options, lookup, directory)
    if directory is None:
        first = files[0]
        directory = options.cwd if first == STDIN else Path(first).parent
        if not explicit:
            for name in _default_env(directory, environ):
                if name not in env_files:
                    env_files.append(name)
                    variables = {**_read([name], environ), **variables}
    lookup = {**variables, **environ}
    profiles = options.profiles or tuple(_split(lookup.get("COMPOSE_PROFILES", ""), ","))
    return Surroundings(files, directory, lookup, profiles, env_files)


def _split(text: str, separator: str) -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip()]


def _default_env(directory: Path, environ: Mapping[str, str]) -> list[str]:
    if environ.get("COMPOSE_DISABLE_ENV_FILE", "").lower() in ("1", "true", "yes"):
        return []
    path = directory / ".env"
    return [str(path)] if path.is_file() else []


def _read(env_files: list[str], environ: Mapping[str, str]) -> dict[str, str]:
    variables: dict[str, str] = {}
    for name in env_files:

        def lookup(key: str, known: dict[str, str] = variables) -> str | None:
            return environ[key] if key in environ else known.get(key)

        variables.update(read_dotenv(Path(name), lookup))
    return variables


def _files(options: Options, lookup: Mapping[str, str], directory: Path | None) -> list[str]:
    named = list(options.files)
    if not named:
        separator = lookup.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
        named = _split(lookup.get("COMPOSE_FILE", ""), separator)
    if named:
        found = []
        for name in named:
            path = (options.cwd / name).resolve()
            if name != STDIN and not path.is_file():
                reason = "is a directory" if path.is_dir() else "no such file or directory"
                raise ConfigurationNotFound(f"open {path}: {reason}")
            found.append(name if name == STDIN else str(path))
        return found
    return _discover(directory or options.cwd)


def _discover(start: Path) -> list[str]:
    for directory in (start, *start.parents):
        for name in FILES:
            path = directory / name
            if path.is_file():
                override = next((directory / o for o in OVERRIDES if (directory / o).is_file()), None)
                return [str(path), str(override)] if override else [str(path)]
    raise ConfigurationNotFound("no configuration file provided: not found")


def normalize_name(name: str) -> str:
    """The project name a directory gives: lowercase, only ``[a-z0-9_-]``, not beginning with ``_-``."""
    return re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-")


def project_name(options: Options, found: Surroundings, declared: str) -> str:
    """-p, else COMPOSE_PROJECT_NAME, else `declared` (the last ``name:``), else the directory's name.

    Raises FileInvalid if it is no valid name, or none can be made.
    """
    name = options.project_name or found.environment.get("COMPOSE_PROJECT_NAME", "") or declared
    if name:
        if not _NAME.match(name):
            raise FileInvalid(
                f'invalid project name "{name}": must consist only of lowercase alphanumeric characters, '
                "hyphens, and underscores as well as start with a letter or number"
            )
        return name
    name = normalize_name(found.directory.name)
    if not name:
        raise FileInvalid("project name must not be empty: name it with -p or COMPOSE_PROJECT_NAME")
    return name
