"""`pydocker`: the engine's client, and `pydocker daemon`. One module a verb, imported on use."""

from __future__ import annotations

from pathlib import Path

import click

from engine.api.versions import ENGINE_VERSION
from engine.client.commands import LazyGroup, run_main
from engine.client.config import Endpoint, TLSConfig, endpoint_from_env

VERBS = {
    "daemon": ("engine.cli.daemon:command", "Run the engine of this node"),
    "images": ("engine.cli.images:command", "List images"),
    "info": ("engine.cli.info:command", "Show an engine, or a cluster's nodes"),
    "inspect": (
        "engine.cli.inspect:command",
        "Show all that is known of containers, images, networks or volumes",
    ),
    "logs": ("engine.cli.logs:command", "Show a container's output"),
    "ps": ("engine.cli.ps:command", "List containers"),
    "rm": ("engine.cli.lifecycle:rm", "Remove containers"),
    "start": ("engine.cli.lifecycle:start", "Start containers"),
    "stop": ("engine.cli.lifecycle:stop", "Stop containers"),
    "version": ("engine.cli.version:command", "Show the versions of client and engine"),
}


@click.group(
    cls=LazyGroup,
    verbs=VERBS,
    unknown="The docker CLI may have it; it works with this engine, too: set DOCKER_HOST, or use docker -H.",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="The real docker CLI works with the engine, too: docker -H unix:///run/pydocker.sock run …",
)
@click.option(
    "-H", "--host", help="Engine to talk to  [env: DOCKER_HOST; default: unix:///run/pydocker.sock]"
)
@click.option("--tlsverify", is_flag=True, help="Use TLS and verify the engine")
@click.option("--tlscacert", type=click.Path(path_type=Path), help="Trust certificates of this CA")
@click.option("--tlscert", type=click.Path(path_type=Path), help="Client certificate")
@click.option("--tlskey", type=click.Path(path_type=Path), help="Its key")
@click.version_option(
    ENGINE_VERSION, "-v", "--version", prog_name="pydocker", message="%(prog)s version %(version)s"
)
@click.pass_context
def pydocker(
    ctx: click.Context,
    host: str | None,
    tlsverify: bool,
    tlscacert: Path | None,
    tlscert: Path | None,
    tlskey: Path | None,
) -> None:
    """The Dockyard engine and its client."""
    if ctx.invoked_subcommand == "daemon":
        return
    endpoint = endpoint_from_env(host=host)
    if tlsverify or tlscacert or tlscert:
        endpoint = Endpoint.parse(str(endpoint), TLSConfig(tlscacert, tlscert, tlskey))
    ctx.obj = endpoint


def main() -> None:
    """The console script."""
    run_main(pydocker, "pydocker")


if __name__ == "__main__":
    main()
