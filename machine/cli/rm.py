"""`pymachine rm`."""

from __future__ import annotations

import asyncio

import click

from engine.errdefs import NotFound
from machine.create import remove
from machine.store import Store


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option(
    "-f", "--force", is_flag=True, help="Forget the machine even if its host can't be removed; asks nothing"
)
@click.option("-y", "yes", is_flag=True, help="Ask nothing")
@click.pass_obj
def rm(store: Store, names: tuple[str, ...], force: bool, yes: bool) -> None:
    """Remove the machines NAMES: their hosts, where a driver made them, and all that is recorded here."""
    if not (force or yes):
        click.echo(f"About to remove {', '.join(names)}")
        click.echo("WARNING: This action will delete both local reference and remote instance.")
        click.confirm("Are you sure?", abort=True)
    for name in names:
        try:
            machine = store.load(name)
        except NotFound:
            if not force:
                raise
            store.remove(name)
            continue
        asyncio.run(remove(store, machine, force=force))
        click.echo(f"Successfully removed {name}")
