"""`pymachine ls`: all machines are asked at once, so that one that does not answer holds up nobody."""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import asdict, dataclass

import click
import msgspec

from engine.client import DockerClient, TLSConfig
from engine.client.tables import table
from engine.errdefs import DockyardError, InvalidParameter
from machine.driver import State
from machine.host import Machine
from machine.store import Store

COLUMNS = ("NAME", "ACTIVE", "DRIVER", "STATE", "URL", "SWARM", "DOCKER", "ERRORS")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list."""

    Name: str
    Active: str
    DriverName: str
    State: str
    URL: str
    Swarm: str
    DockerVersion: str
    Error: str


@click.command()
@click.option("-q", "--quiet", is_flag=True, help="Print names only")
@click.option("--filter", "filters", multiple=True, help="driver=, state=, name= (a regular expression)")
@click.option("-t", "--timeout", default=10.0, show_default=True, help="Seconds to wait for a machine")
@click.option("-f", "--format", "form", default="table", help="table or json")
@click.pass_obj
def ls(store: Store, quiet: bool, filters: tuple[str, ...], timeout: float, form: str) -> None:
    """List machines with the state of their host and the version of their engine."""
    wanted = _parse_filters(filters)
    names = sorted(store.names(), key=_natural)
    if quiet and not wanted.keys() - {"name"}:
        rows = [name for name in names if _matches(wanted, {"name": name})]
        click.echo("\n".join(rows), nl=bool(rows))
        return

    async def gather() -> list[Row]:
        return await asyncio.gather(*(_row(store.load(name), timeout) for name in names))

    rows_found = [row for row in asyncio.run(gather()) if _matches(
        wanted, {"name": row.Name, "driver": row.DriverName, "state": row.State})]  # fmt: skip
    if quiet:
        click.echo("\n".join(row.Name for row in rows_found), nl=bool(rows_found))
    elif form == "json":
        for row in rows_found:
            click.echo(msgspec.json.encode(asdict(row)).decode())
    elif form == "table":
        click.echo(table(COLUMNS, [tuple(asdict(row).values()) for row in rows_found]))
    else:
        raise InvalidParameter(f"invalid --format {form!r}: expected table or json")


async def _row(machine: Machine, timeout: float) -> Row:
    state, version, error = State.TIMEOUT, "Unknown", ""
    try:
        async with asyncio.timeout(timeout):
            state = await machine.driver.host_state()
            if state in (State.RUNNING, State.NONE) and machine.driver.url():
                version = "v" + await _version(machine)
    except TimeoutError:
        error = f"no answer within {timeout:g} s"
    except DockyardError as exc:
        error = str(exc)
    url = machine.driver.url()
    active = "*" if url and url == os.environ.get("DOCKER_HOST") else "-"
    return Row(machine.name, active, machine.record.driver_name, state.value, url, "", version, error)


async def _version(machine: Machine) -> str:
    secure = (machine.directory / "ca.pem").exists()
    tls = TLSConfig.from_directory(machine.directory) if secure else None
    async with DockerClient(machine.driver.url(), tls) as docker:
        return str((await docker.version())["Version"])


def _parse_filters(filters: tuple[str, ...]) -> dict[str, list[str]]:
    wanted: dict[str, list[str]] = {}
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals or key not in {"driver", "state", "name"}:
            raise InvalidParameter(f"unsupported filter {text!r}: expected driver=, state= or name=")
        wanted.setdefault(key, []).append(value)
    return wanted


def _matches(wanted: dict[str, list[str]], facts: dict[str, str]) -> bool:
    """Values of one key are alternatives, keys all have to match."""
    for key, values in wanted.items():
        found = facts[key]
        if key == "name":
            hit = any(re.search(value, found) for value in values)
        else:
            hit = any(value.lower() == found.lower() for value in values)
        if not hit:
            return False
    return True


def _natural(name: str) -> list[tuple[int, str]]:
    """web2 before web10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
