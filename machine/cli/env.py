"""`pymachine env` and `config`: how a client reaches a machine's engine."""

from __future__ import annotations

import click

from engine.errdefs import Unavailable
from machine import shells
from machine.host import Machine
from machine.store import Store


def _reachable(machine: Machine) -> Machine:
    if not machine.driver.url():
        raise Unavailable(
            f"machine {machine.name!r} has no address yet: see `pymachine status {machine.name}`"
        )
    return machine


@click.command()
@click.argument("name", required=False)
@click.option("--shell", default=None, help=f"One of {', '.join(shells.SHELLS)} [default: by $SHELL]")
@click.option("-u", "--unset", is_flag=True, help="Take the variables back instead")
@click.option("--no-proxy", is_flag=True, help="Also add the machine's address to NO_PROXY")
@click.pass_obj
def env(store: Store, name: str | None, shell: str | None, unset: bool, no_proxy: bool) -> None:
    """Print the commands that point a docker client at the machine NAME (default: default)."""
    shell = shell or shells.detect()
    if unset:
        click.echo(shells.unset(shell, "pymachine env -u"))
        return
    machine = _reachable(store.load(name or "default"))
    values = {
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_HOST": machine.driver.url(),
        "DOCKER_CERT_PATH": str(machine.directory),
        "DOCKER_MACHINE_NAME": machine.name,
    }
    if no_proxy:
        values["NO_PROXY"] = machine.ip()
    click.echo(shells.export(shell, values, f"pymachine env {machine.name}"))


@click.command()
@click.argument("name", default="default")
@click.pass_obj
def config(store: Store, name: str) -> None:
    """Print the machine's connection options, for `docker $(pymachine config NAME) ps`."""
    machine = _reachable(store.load(name))
    directory = machine.directory
    for option, file in (("tlscacert", "ca"), ("tlscert", "cert"), ("tlskey", "key")):
        click.echo(
            f'--{option}="{directory}/{file}.pem"' if option == "" else f"--{option}={directory}/{file}.pem"
        )
    click.echo("--tlsverify")
    click.echo(f"-H={machine.driver.url()}")
