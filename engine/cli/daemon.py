"""`pydocker daemon`, also called `pydockerd`: dockerd's flags and exit codes."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Any

import click

from engine.daemon.configfile import load
from engine.daemon.options import OPTIONS, Option
from engine.errdefs import DockyardError, InvalidParameter

_METAVARS = {
    "str": "string", "int": "int", "path": "path", "list": "list", "map": "map",
    "ulimit": "ulimit", "size": "bytes", "bool": "",
}  # fmt: skip


class BadUsage(click.UsageError):
    """A bad command line; click would exit with 2, dockerd does with 1."""

    exit_code = 1


class DaemonCommand(click.Command):
    """A command with dockerd's exit code for a bad command line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; ``-H=unix://…`` is a way of dockerd's to write ``-H unix://…``."""
        args = [re.sub(r"^(-[a-zA-Z])=", r"\1", arg) for arg in args]
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as exc:
            raise BadUsage(exc.message, ctx) from exc


@click.command(
    cls=DaemonCommand, context_settings={"help_option_names": ["--help"], "max_content_width": 110}
)
@click.option("--validate", is_flag=True, help="Validate daemon configuration and exit")
def command(validate: bool, **values: Any) -> None:
    """Run the engine of this node.

    Containers outlive it: stopping, upgrading or killing the daemon leaves them running, and the
    next one finds them again. The same settings, under the same names, can stand in the
    configuration file; none may be given twice.
    """
    flags = {name: _raw(value) for name, value in values.items() if value not in (None, ())}
    try:
        config = load(flags)
        if validate:
            click.echo("configuration OK", err=True)
            return
        # After the flags: a mistake in them is told without the second that the server's imports take.
        from engine.server.process import serve

        asyncio.run(serve(config, flags))
    except DockyardError as exc:
        click.echo(str(exc), err=True)
        if isinstance(exc, InvalidParameter) and str(exc).startswith("invalid argument"):
            click.echo("See 'pydocker daemon --help'.", err=True)
        sys.exit(1)


def _raw(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _parameter(option: Option) -> click.Option:
    names = [f"--{option.flag}", option.attribute]
    if option.short:
        names.insert(0, f"-{option.short}")
    repeatable = option.kind in ("list", "map", "ulimit")
    extra: dict[str, Any] = {}
    if option.kind == "bool":
        # `--icc`, and `--icc=false`, as Go's flags have it.
        extra = {"is_flag": False, "flag_value": "true"}
    return click.Option(
        names,
        multiple=repeatable,
        default=None,
        metavar=_METAVARS[option.kind] or "[=true|false]",
        help=_help(option),
        type=str,
        **extra,
    )


def _help(option: Option) -> str:
    default = option.default
    if option.kind == "bool":
        return option.help + (" (default true)" if default else "")
    if default in ("", 0, (), {}):
        return option.help
    shown = ", ".join(default) if isinstance(default, tuple) else default
    return f"{option.help} (default {shown})"


command.params[:0] = [_parameter(option) for option in sorted(OPTIONS, key=lambda o: o.flag)]


def main() -> None:
    """The console script `pydockerd`."""
    command.main(prog_name="pydockerd")
