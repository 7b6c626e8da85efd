"""`pydocker inspect`: the name is looked for among containers, then images, networks and volumes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click
import msgspec

from engine.client import DockerClient, Endpoint
from engine.client.commands import coroutine
from engine.errdefs import NotFound

KINDS = {
    "container": "/containers/{}/json",
    "image": "/images/{}/json",
    "network": "/networks/{}",
    "volume": "/volumes/{}",
}


@click.command("inspect")
@click.argument("names", nargs=-1, required=True)
@click.option("--type", "kind", type=click.Choice([*KINDS]), help="Look among these only")
@click.pass_obj
@coroutine
async def command(endpoint: Endpoint, names: tuple[str, ...], kind: str | None) -> None:
    """Show all that is known of NAMES, as JSON."""
    found: list[Any] = []
    missing: list[str] = []
    async with DockerClient(endpoint) as docker:
        for name in names:
            value = await look_up(docker, name, [kind] if kind else [*KINDS])
            if value is None:
                missing.append(name)
            else:
                found.append(value)
    click.echo(msgspec.json.format(msgspec.json.encode(found), indent=4).decode())
    if missing:
        raise NotFound("\n".join(f"Error: No such {kind or 'object'}: {name}" for name in missing))


async def look_up(docker: DockerClient, name: str, kinds: list[str]) -> Any:
    """The first object of that name, None if there is none."""
    for kind in kinds:
        try:
            return await docker.json(
                "GET", KINDS[kind].format(quote(name, safe="/:@" if kind == "image" else ""))
            )
        except NotFound:
            continue
    return None
