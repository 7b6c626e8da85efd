"""`port`."""

from __future__ import annotations

import click

from compose.cli.context import Settings
from compose.cli.engine import find, instance, with_engine
from compose.errors import ComposeError
from engine.client import DockerClient


@click.command("port")
@click.option("--index", type=int, default=None, help="Index of the container if service has several")
@click.option("--protocol", type=click.Choice(["tcp", "udp"]), default="tcp", help="tcp or udp")
@click.argument("service")
@click.argument("private_port", type=int)
@click.pass_obj
def command(settings: Settings, /, service: str, private_port: int, index: int | None, protocol: str) -> None:
    """Print the public port for a port binding."""

    async def run(client: DockerClient) -> str:
        _, observed = await find(client, settings, [service])
        container = instance(observed.containers, service, index)
        for port in container.details.get("Ports") or ():
            matches = (port["PrivatePort"], port.get("Type", "tcp")) == (private_port, protocol)
            if matches and port.get("PublicPort"):
                return f"{port.get('IP', '0.0.0.0')}:{port['PublicPort']}"
        raise ComposeError(f"no port {private_port}/{protocol} for container {container.name}")

    click.echo(with_engine(settings, run))
