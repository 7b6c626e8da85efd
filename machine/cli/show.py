"""Verbs that print one fact of a machine: ip, url, status."""

from __future__ import annotations

import asyncio

import click

from engine.errdefs import Unavailable
from machine.store import Store


@click.command()
@click.argument("names", nargs=-1)
@click.pass_obj
def ip(store: Store, names: tuple[str, ...]) -> None:
    """Print the address of the machines NAMES (default: default)."""
    for name in names or ("default",):
        address = store.load(name).ip()
        if not address:
            raise Unavailable(f"machine {name!r} has no address yet")
        click.echo(address)


@click.command()
@click.argument("name", default="default")
@click.pass_obj
def url(store: Store, name: str) -> None:
    """Print the URL of the machine's engine."""
    click.echo(store.load(name).driver.url())


@click.command()
@click.argument("names", nargs=-1)
@click.pass_obj
def status(store: Store, names: tuple[str, ...]) -> None:
    """Print the state of the machines NAMES (default: default)."""
    for name in names or ("default",):
        click.echo(asyncio.run(store.load(name).driver.host_state()).value)
