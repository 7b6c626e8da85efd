"""`create`: as `up`, without starting anything."""

from __future__ import annotations

from typing import Any

import click

from compose.cli.context import Settings
from compose.cli.up import command as up_command


@click.command("create")
@click.option("--build", "build", flag_value="yes", help="Build images first")
@click.option("--no-build", "build", flag_value="no", help="Don't build an image, even if it's missing")
@click.option("--pull", type=click.Choice(["always", "missing", "never"]), help="Pull image before running")
@click.option("--force-recreate", is_flag=True, help="Recreate containers even if nothing changed")
@click.option("--no-recreate", is_flag=True, help="Keep containers that exist")
@click.option("--scale", "scales", multiple=True, metavar="SERVICE=NUM", help="Number of instances")
@click.option("--remove-orphans", is_flag=True, help="Remove containers for services not defined")
@click.option("--quiet-pull", is_flag=True, help="Pull without printing progress information")
@click.option("-y", "--yes", is_flag=True, help='Assume "yes" as answer to all prompts')
@click.argument("services", nargs=-1)
@click.pass_context
def command(ctx: click.Context, /, services: tuple[str, ...], **given: Any) -> None:
    """Create containers for a service."""
    assert isinstance(ctx.obj, Settings)
    ctx.invoke(up_command, services=services, no_start=True, **given)
