"""What every verb gets: the global options, and the few things made from them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from compose.errors import ComposeError
from compose.loader.discovery import Options

if TYPE_CHECKING:
    from compose.loader.load import Loading
    from compose.model import Project


@dataclass(slots=True)
class Settings:
    """The global options with COMPOSE_… applied. parallel: 0 is no limit."""

    options: Options = field(default_factory=Options)
    host: str | None = None
    parallel: int = 0
    dry_run: bool = False
    compatibility: bool = False
    ansi: str = "auto"
    progress: str = "auto"

    @classmethod
    def make(cls, given: dict[str, Any], environ: Mapping[str, str]) -> Settings:
        """From the command line's values and the environment."""
        parallel = given["parallel"]
        if parallel is None:
            text = environ.get("COMPOSE_PARALLEL_LIMIT") or "-1"
            try:
                parallel = int(text)
            except ValueError as exc:
                raise ComposeError(f"COMPOSE_PARALLEL_LIMIT must be an integer (found: {text!r})") from exc
        return cls(
            options=Options(
                files=given["files"],
                project_name=given["project_name"],
                profiles=given["profiles"],
                env_files=given["env_files"],
                project_directory=given["project_directory"],
                environ=environ,
            ),
            host=given["host"],
            parallel=max(parallel, 0),
            dry_run=given["dry_run"],
            compatibility=given["compatibility"] or _true(environ.get("COMPOSE_COMPATIBILITY")),
            ansi=given["ansi"]
            or environ.get("COMPOSE_ANSI")
            or ("never" if environ.get("NO_COLOR") else "auto"),
            progress=given["progress"] or environ.get("COMPOSE_PROGRESS") or "auto",
        )

    def load(self, loading: Loading | None = None) -> Project:
        """The project, its warnings printed."""
        from compose.loader.load import Loading, load_project

        project = load_project(self.options, loading or Loading())
        for warning in project.warnings:
            print(f"WARN {warning}", file=sys.stderr)
        return project

    def colors(self) -> bool:
        """Whether standard output gets colours."""
        return self.ansi == "always" or (self.ansi == "auto" and sys.stdout.isatty())

    def env_flag(self, name: str) -> bool:
        """A boolean COMPOSE_… variable."""
        return _true(self.options.environ.get(name))


def _default_ansi(environ: Mapping[str, str]) -> str:
    return "never" if environ.get("NO_COLOR") else "auto"


def _true(text: str | None) -> bool:
    return (text or "").lower() in ("1", "true", "yes", "on", "y")
