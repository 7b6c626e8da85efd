"""`pymachine create` and `provision`. A driver's flags become options when `-d` names it."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import click

from engine.driverapi import registry
from engine.errdefs import InvalidParameter
from machine import create as creation
from machine.driver import Flag
from machine.host import AuthOptions, EngineOptions, HostOptions, Machine, Record, check_name
from machine.store import Store


def _option(flag: Flag) -> click.Option:
    kind = type(flag.default) if flag.default is not None else str
    return click.Option(
        [f"--{flag.name}"],
        type=kind,
        is_flag=kind is bool,
        default=flag.default,
        envvar=flag.env,
        show_envvar=True,
        show_default=flag.default not in (None, ""),
        help=flag.help,
    )


def _driver_named_in(args: list[str]) -> str:
    """The driver must be known before the options can be parsed, since it brings some of them."""
    for position, arg in enumerate(args):
        if arg in {"-d", "--driver"}:
            return args[position + 1] if position + 1 < len(args) else ""
        if arg.startswith("--driver="):
            return arg.partition("=")[2]
        if arg.startswith("-d") and not arg.startswith("--"):
            return arg[2:].removeprefix("=")
    return ""


class CreateCommand(click.Command):
    """A command that grows the options of the driver it is asked for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Add the driver's flags, then parse."""
        name = _driver_named_in(args) or os.environ.get("MACHINE_DRIVER", "")
        if name:
            known = {param.name for param in self.params}
            for flag in registry.load("machine", name).flags:
                option = _option(flag)
                if option.name not in known:
                    self.params.append(option)
        elif "-h" in args or "--help" in args:
            self.epilog = (
                f"Drivers: {', '.join(registry.names('machine'))}. `create -d DRIVER --help` shows theirs."
            )
        return super().parse_args(ctx, args)


@click.command(cls=CreateCommand)
@click.argument("name", default="default")
@click.option(
    "-d", "--driver", envvar="MACHINE_DRIVER", show_envvar=True, help="What makes the host", required=True
)
@click.option("--engine-opt", multiple=True, help="Option for the engine, as flag=value")
@click.option("--engine-label", multiple=True, help="Label of the engine")
@click.option("--engine-env", multiple=True, help="Environment of the engine, as NAME=value")
@click.option("--engine-insecure-registry", multiple=True, help="Registry the engine may reach without TLS")
@click.option("--engine-registry-mirror", multiple=True, help="Registry mirror of the engine")
@click.option("--engine-storage-driver", default="", help="Storage driver of the engine")
@click.option("--tls-san", multiple=True, help="Further name or address for the server certificate")
@click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait for SSH")
@click.pass_obj
def create(
    store: Store,
    /,
    name: str,
    driver: str,
    engine_opt: tuple[str, ...],
    engine_label: tuple[str, ...],
    engine_env: tuple[str, ...],
    engine_insecure_registry: tuple[str, ...],
    engine_registry_mirror: tuple[str, ...],
    engine_storage_driver: str,
    tls_san: tuple[str, ...],
    timeout: float,
    **flags: Any,
) -> None:
    """Create the machine NAME: a host by the driver's means, an engine on it, certificates for both."""
    check_name(name)
    driver_class = registry.load("machine", driver)
    options = {flag.name: flags.get(flag.name.replace("-", "_")) for flag in driver_class.flags}
    record = Record(
        name,
        driver,
        driver_class.configure(options),
        HostOptions(
            EngineOptions(
                arbitrary_flags=list(engine_opt),
                env=_pairs(engine_env, "--engine-env"),
                labels=_pairs(engine_label, "--engine-label"),
                insecure_registry=list(engine_insecure_registry),
                registry_mirror=list(engine_registry_mirror),
                storage_driver=engine_storage_driver,
            ),
            AuthOptions(list(tls_san)),
        ),
    )
    asyncio.run(creation.create(store, record, click.echo, timeout=timeout))
    click.echo(f"To see how to connect a docker client to it, run: pymachine env {name}")


def _pairs(values: tuple[str, ...], option: str) -> list[str]:
    for value in values:
        if "=" not in value:
            raise InvalidParameter(f"invalid value {value!r} for {option}: expected NAME=value")
    return list(values)


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait for SSH")
@click.pass_obj
def provision(store: Store, names: tuple[str, ...], timeout: float) -> None:
    """(Re)install the engine on the machines NAMES; goes on where an interrupted create stopped."""

    async def one(machine: Machine) -> None:
        def report(text: str) -> None:
            click.echo(f"({machine.name}) {text}")

        await creation.provision(store, machine, report, timeout=timeout)

    async def all_of_them() -> None:
        await asyncio.gather(*(one(machine) for machine in [store.load(name) for name in names]))

    asyncio.run(all_of_them())
