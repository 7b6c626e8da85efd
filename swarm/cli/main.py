"""pyswarm: verbs are imported when they are called for."""

from __future__ import annotations

import logging
import sys

import click

from engine.api.versions import ENGINE_VERSION
from engine.client.commands import LazyGroup, run_main

VERBS = {
    "create": ("swarm.cli.create:command", "Print a new cluster id"),
    "join": ("swarm.cli.join:command", "Tell the discovery of this host's engine, for as long as it runs"),
    "list": ("swarm.cli.list:command", "List the nodes that the discovery knows"),
    "manage": ("swarm.cli.manage:command", "Serve one Docker API for the cluster"),
}


@click.group(
    cls=LazyGroup,
    verbs=VERBS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: pyswarm manage -H tcp://127.0.0.1:3375 nodes://10.0.0.5:2375,10.0.0.6:2375",
)
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
    run_main(cli, "pyswarm")


if __name__ == "__main__":
    main()
