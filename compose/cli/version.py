"""`version`."""

from __future__ import annotations

import json

import click


@click.command("version")
@click.option("--short", is_flag=True, help="Show only the version number")
@click.option("-f", "--format", "style", type=click.Choice(["pretty", "json"]), default="pretty")
def command(short: bool, style: str) -> None:
    """Show the version information."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        version = installed("dockyard")
    except PackageNotFoundError:
        version = "unknown"
    if short:
        click.echo(version)
    elif style == "json":
        click.echo(json.dumps({"version": version}))
    else:
        click.echo(f"pycompose version {version}")
