"""The phases in order: files → documents → one tree → a project.

    per document   parse, interpolate, validate, canonical, paths, extends, include
    per project    merge, name, normalize, profiles, consistency, environment

Only this module reads files; the phases are functions over values.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compose.errors import ConfigurationNotFound, FileInvalid
from compose.errors import Path as ValuePath
from compose.loader import consistency, profiles
from compose.loader.canonical import canonical
from compose.loader.discovery import STDIN, Options, project_name, surroundings
from compose.loader.environment import resolve_environment
from compose.loader.extends import apply_extends
from compose.loader.include import Included, include
from compose.loader.interpolate import interpolate
from compose.loader.merge import delete, merge, unicity
from compose.loader.normalize import normalize
from compose.loader.parse import Document, parse
from compose.loader.paths import absolute, resolve
from compose.loader.validate import validate
from compose.model import Project

Tree = dict[str, Any]


@dataclass(slots=True)
class Session:
    """One loading: variables, and what must survive it for messages."""

    variables: Mapping[str, str]
    interpolating: bool = True
    documents: list[Document] = field(default_factory=list)
    unset: dict[str, None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def locate(self, path: ValuePath) -> tuple[str, int]:
        """Where the value at `path` was stated last; the first file if none states it."""
        for length in range(len(path), 0, -1):
            for document in reversed(self.documents):
                if document.has(path[:length]):
                    return document.locate(path)
        return (self.documents[0].file, 1) if self.documents else ("", 0)


@dataclass(frozen=True, slots=True)
class Loading:
    """What to leave out, for `config --no-…`, and what to expect of the project."""

    interpolate: bool = True
    consistency: bool = True
    resolve_environment: bool = True
    named: tuple[str, ...] = ()
    all_profiles: bool = False


def load_project(options: Options, loading: Loading = Loading()) -> Project:
    """Load the project that `options` mean.

    Raises ConfigurationNotFound, FileInvalid (file, line and path of the value), NoSuchService.
    """
    found = surroundings(options)
    variables = dict(found.environment)
    if options.project_name:
        variables["COMPOSE_PROJECT_NAME"] = options.project_name
    session = Session(variables, loading.interpolate)
    try:
        tree = load_files(session, found.files, found.directory)
        name = project_name(options, found, str(tree.get("name") or ""))
        variables["COMPOSE_PROJECT_NAME"] = name
        return _project(session, tree, name, found, loading)
    except FileInvalid as exc:
        raise exc.located(session.locate) from exc


def _project(session: Session, tree: Tree, name: str, found: Any, loading: Loading) -> Project:
    tree = normalize(tree, name)
    active = ("*",) if loading.all_profiles else found.profiles
    enabled, disabled = profiles.split_by_profile(tree["services"], active, loading.named)
    if loading.consistency:
        enabled = profiles.drop_optional(enabled, disabled)
        consistency.check({**tree, "services": enabled})
    if loading.resolve_environment:
        enabled = resolve_environment(enabled, session.variables)
    unset = [
        f'The "{variable}" variable is not set. Defaulting to a blank string.' for variable in session.unset
    ]
    return Project(
        name=name,
        directory=found.directory,
        files=found.files,
        env_files=found.env_files,
        services=enabled,
        disabled=disabled,
        networks=tree["networks"],
        volumes=tree["volumes"],
        secrets=tree.get("secrets", {}),
        configs=tree.get("configs", {}),
        environment=dict(session.variables),
        extensions={key: value for key, value in tree.items() if key.startswith("x-")},
        warnings=[*session.warnings, *unset],
    )


def load_files(session: Session, files: list[str], directory: Path) -> Tree:
    """Several files merged, the later over the earlier; paths in them are relative to `directory`."""
    tree: Tree = {}
    for file in files:
        for document in parse(_read(file), file):
            if "version" in document.tree:
                session.warnings.append(
                    f"{file}: the attribute `version` is obsolete, it will be ignored, "
                    "please remove it to avoid potential confusion"
                )
            tree = _add(session, tree, document, directory)
    if not tree.get("services") and not session.documents:
        raise FileInvalid("empty compose file", file=files[0])
    return tree


def _add(session: Session, base: Tree, document: Document, directory: Path) -> Tree:
    session.documents.append(document)
    try:
        tree = _document(session, document, directory)
        base = _include(session, base, tree, directory)
        tree.pop("include", None)
        if tree.get("services"):
            tree["services"] = apply_extends(
                tree["services"],
                document.file,
                lambda path: _extended_file(session, path, directory),
                base.get("services", {}),
            )
        for path in (*document.resets, *document.overrides):
            base = delete(base, path)
        return merge(base, unicity(tree))
    except FileInvalid as exc:
        raise exc.located(
            lambda path: document.locate(path) if document.has(path[:1]) else session.locate(path)
        ) from exc


def _document(session: Session, document: Document, base: Path) -> Tree:
    tree = _wrap_version_1(document.tree)
    if session.interpolating:
        tree = interpolate(tree, session.variables, session.unset)
    validate(tree)
    return resolve(canonical(tree), base)


def _wrap_version_1(tree: Tree) -> Tree:
    """A file of version 1 has its services at the top."""
    known = {"services", "version", "name", "include", "networks", "volumes", "secrets", "configs", "models"}
    if not tree or any(key in known or key.startswith("x-") for key in tree):
        return tree
    bodies = list(tree.values())
    if all(isinstance(body, dict) and ("image" in body or "build" in body) for body in bodies):
        return {"services": tree}
    return tree


def _extended_file(session: Session, path: str, directory: Path) -> tuple[str, Tree]:
    file = absolute(path, directory)
    services: Tree = {}
    for document in parse(_read(file), file):
        try:
            base = Path(file).parent
            tree = _document(
                Session(session.variables, session.interpolating, [document], session.unset),
                document,
                base,
            )
            found = tree.get("services", {})
            for body in found.values():
                if (body.get("extends") or {}).get("file"):
                    body["extends"] = {**body["extends"], "file": absolute(body["extends"]["file"], base)}
            services.update(found)
        except FileInvalid as exc:
            raise exc.located(document.locate) from exc
    return file, services


def _include(session: Session, base: Tree, tree: Tree, directory: Path) -> Tree:
    for entry in tree.get("include") or ():
        base = include(base, tree, _included(session, entry, directory))
    return base


def _included(session: Session, entry: Tree, directory: Path) -> Included:
    files = [absolute(path, directory) for path in entry["path"]]
    root = (
        Path(absolute(entry["project_directory"], directory))
        if entry.get("project_directory")
        else Path(files[0]).parent
    )
    env_files = [absolute(path, directory) for path in entry.get("env_file", ())]
    if not env_files and (root / ".env").is_file():
        env_files = [str(root / ".env")]
    variables: dict[str, str] = {}
    from compose.loader.dotenv import read_dotenv

    for path in env_files:
        variables.update(read_dotenv(Path(path), session.variables.get))
    inner = Session(
        {**variables, **session.variables}, session.interpolating, [], session.unset, session.warnings
    )
    try:
        content = load_files(inner, files, root)
    except FileInvalid as exc:
        raise exc.located(inner.locate) from exc
    session.documents[:0] = inner.documents
    return Included(files[0], content)


def _read(file: str) -> bytes:
    if file == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except FileNotFoundError as exc:
        raise ConfigurationNotFound(f"open {file}: no such file or directory") from exc
    except OSError as exc:
        raise FileInvalid(f"couldn't be read: {exc.strerror}", file=file) from exc
