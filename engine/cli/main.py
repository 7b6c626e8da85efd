"""`pydocker`: one module a verb, imported when the verb is used.

A verb is a `click.Command` called `command` in its module; its help line stands here, so that
`pydocker --help` imports none of them.
"""

from __future__ import annotations

from importlib import import_module

import click

from engine.api.versions import ENGINE_VERSION

# verb → (module, help line)
VERBS: dict[str, tuple[str, str]] = {
    "daemon": ("engine.cli.daemon", "Run the engine of this node"),
}


class Verbs(click.Group):
    """A group whose commands are modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(VERBS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, VERBS[name][1]) for name in self.list_commands(ctx)])


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    ENGINE_VERSION, "-v", "--version", prog_name="pydocker", message="%(prog)s version %(version)s"
)
def main() -> None:
    """The Dockyard engine and its client. Every Docker client works with it, too."""
