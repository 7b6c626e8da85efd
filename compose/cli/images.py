"""`images`."""

from __future__ import annotations

import json
from typing import Any

import click

from compose.cli.context import Settings
from compose.cli.engine import find, with_engine
from compose.execute.images import split_reference
from compose.plan.teardown import chosen
from engine.client import DockerClient
from engine.client.tables import table
from engine.errdefs import NotFound


@click.command("images")
@click.option("-q", "--quiet", is_flag=True, help="Only display IDs")
@click.option(
    "--format", "style", type=click.Choice(["table", "json"]), default="table", help="Output format"
)
@click.argument("services", nargs=-1)
@click.pass_obj
def command(settings: Settings, /, services: tuple[str, ...], quiet: bool, style: str) -> None:
    """List images used by the created containers."""

    async def run(client: DockerClient) -> list[dict[str, Any]]:
        _, observed = await find(client, settings, services)
        rows = []
        for container in chosen(observed, services):
            try:
                image = await client.json("GET", f"/images/{container.image_id or container.image}/json")
            except NotFound:
                image = {}
            repository, tag = split_reference(container.image)
            rows.append(
                {
                    "ContainerName": container.name,
                    "Repository": repository,
                    "Tag": tag,
                    "ID": container.image_id,
                    "Platform": f"{image.get('Os', '')}/{image.get('Architecture', '')}",
                    "Size": image.get("Size", 0),
                }
            )
        return rows

    rows = with_engine(settings, run)
    if quiet:
        click.echo("".join(f"{i}\n" for i in dict.fromkeys(_short(r["ID"]) for r in rows)), nl=False)
    elif style == "json":
        click.echo(json.dumps(rows))
    else:
        header = ("CONTAINER", "REPOSITORY", "TAG", "PLATFORM", "IMAGE ID", "SIZE")
        cells = [
            (r["ContainerName"], r["Repository"], r["Tag"], r["Platform"], _short(r["ID"]), _size(r["Size"]))
            for r in rows
        ]
        click.echo(table(header, cells))


def _short(identity: str) -> str:
    return identity.removeprefix("sha256:")[:12]


def _size(size: float) -> str:
    units = ["B", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.3g}{units[0]}"
