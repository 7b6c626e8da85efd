"""`pymachine`: makes hosts, turns them into engines, and says how to reach them."""

from __future__ import annotations

from pathlib import Path

import click

from engine.api.versions import ENGINE_VERSION
from engine.client.commands import LazyGroup, run_main
from machine.store import Store, default_path

VERBS = {
    "config": ("machine.cli.env:config", "Print the connection options for the docker CLI"),
    "create": ("machine.cli.create:create", "Create a machine"),
    "env": ("machine.cli.env:env", "Print the commands that point a shell at a machine"),
    "inspect": ("machine.cli.inspect:inspect", "Show what is recorded of a machine"),
    "ip": ("machine.cli.show:ip", "Print the address of machines"),
    "ls": ("machine.cli.ls:ls", "List machines"),
    "provision": ("machine.cli.create:provision", "(Re)install the engine on machines"),
    "rm": ("machine.cli.rm:rm", "Remove machines"),
    "ssh": ("machine.cli.ssh:ssh", "Log into a machine, or run a command on it"),
    "status": ("machine.cli.show:status", "Print the state of machines"),
    "url": ("machine.cli.show:url", "Print the URL of a machine's engine"),
}


@click.group(
    cls=LazyGroup,
    verbs=VERBS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: pymachine create -d generic --generic-ip-address 10.0.0.5 web1",
)
@click.option(
    "-s",
    "--storage-path",
    type=click.Path(path_type=Path),
    default=default_path,
    help="Where machines and certificates are kept  [env: MACHINE_STORAGE_PATH; default: ~/.docker/machine]",
)
@click.version_option(ENGINE_VERSION, "-v", "--version", message="%(prog)s version %(version)s")
@click.pass_context
def pymachine(ctx: click.Context, storage_path: Path) -> None:
    """Create and manage machines that run a Dockyard engine."""
    ctx.obj = Store(storage_path)


def main() -> None:
    """The console script."""
    run_main(pymachine, "pymachine")


if __name__ == "__main__":
    main()
