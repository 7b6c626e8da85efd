"""`pydocker images`."""

from __future__ import annotations

import click

from engine.cli.columns import ago, size
from engine.client import DockerClient, Endpoint
from engine.client.commands import coroutine
from engine.client.tables import table

HEADER = ("REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE")


@click.command("images")
@click.option("-a", "--all", "everything", is_flag=True, help="Show intermediate images, too")
@click.option("-q", "--quiet", is_flag=True, help="Only show image IDs")
@click.pass_obj
@coroutine
async def command(endpoint: Endpoint, everything: bool, quiet: bool) -> None:
    """List images."""
    async with DockerClient(endpoint) as docker:
        images = await docker.json("GET", "/images/json", params={"all": everything})
    rows = []
    for image in images:
        short = image["Id"].removeprefix("sha256:")[:12]
        for reference in image["RepoTags"] or ["<none>:<none>"]:
            repository, _, tag = reference.rpartition(":")
            rows.append((repository, tag, short, ago(image["Created"]), size(image["Size"])))
    if quiet:
        click.echo("\n".join(dict.fromkeys(row[2] for row in rows)), nl=bool(rows))
    else:
        click.echo(table(HEADER, rows))
