"""`pydocker logs`."""

from __future__ import annotations

import sys
from urllib.parse import quote

import click

from engine.api.stdcopy import STDERR, Decoder
from engine.client import DockerClient, Endpoint
from engine.client.commands import coroutine


@click.command("logs")
@click.argument("container")
@click.option("-f", "--follow", is_flag=True, help="Follow log output")
@click.option("-n", "--tail", default="all", show_default=True, help="Number of lines to show from the end")
@click.option("-t", "--timestamps", is_flag=True, help="Show timestamps")
@click.option("--since", help="Show logs since a time")
@click.pass_obj
@coroutine
async def command(
    endpoint: Endpoint, container: str, follow: bool, tail: str, timestamps: bool, since: str | None
) -> None:
    """Show what CONTAINER printed; its standard error goes to ours."""
    params = {
        "stdout": True,
        "stderr": True,
        "follow": follow,
        "tail": tail,
        "timestamps": timestamps,
        "since": since,
    }
    path = f"/containers/{quote(container, safe='')}"
    async with DockerClient(endpoint) as docker:
        terminal = (await docker.container_inspect(container))["Config"]["Tty"]
        response = await docker.request("GET", f"{path}/logs", params=params)
        await response.raise_for_status()
        decoder = Decoder()
        async for chunk in response.chunks():
            frames = [(1, chunk)] if terminal else decoder.feed(chunk)
            for stream, data in frames:
                out = sys.stderr if stream == STDERR else sys.stdout
                out.buffer.write(data)
                out.buffer.flush()
