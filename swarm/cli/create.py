"""pyswarm create."""

from __future__ import annotations

import secrets

import click


@click.command()
def command() -> None:
    """Print a new cluster id.

    The service that once resolved such ids is gone; use the id as a prefix in a store of your own, as
    in etcd://10.0.0.1:2379/ID.
    """
    click.echo(secrets.token_hex(16))
