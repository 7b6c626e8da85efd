"""pyswarm: verbs are imported when they are called for."""

from __future__ import annotations

import logging
import sys
from importlib import import_module

import click

from engine.api.versions import ENGINE_VERSION
from engine.errdefs import DockyardError

_VERBS = {
    "create": "Print a new cluster id",
    "join": "Tell the discovery of this host's engine, for as long as it runs",
    "list": "List the nodes that the discovery knows",
    "manage": "Serve one Docker API for the cluster",
}


class _Verbs(click.Group):
    """Finds a verb in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        command = getattr(import_module(f"swarm.cli.{cmd_name}"), "command")  # noqa: B009 - typed as Any
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(ENGINE_VERSION, "-v", "--version", prog_name="pyswarm")
@click.option("--debug", is_flag=True, envvar="DEBUG", help="Log everything.")
@click.option(
    "-l",
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(["debug", "info", "warn", "error", "fatal"]),
)
@click.option("--experimental", is_flag=True, help="Accepted for compatibility; nothing depends on it.")
def cli(debug: bool, log_level: str, experimental: bool) -> None:
    """One Docker endpoint for a cluster of engines."""
    level = {"warn": "WARNING", "fatal": "CRITICAL"}.get(log_level, log_level.upper())
    logging.basicConfig(
        level="DEBUG" if debug else level,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


def main() -> None:
    """The console script. An error is one line; exit code 1."""
    try:
        cli.main(prog_name="pyswarm")
    except DockyardError as exc:
        click.echo(f"pyswarm: {exc}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
