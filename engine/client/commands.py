"""What the four command lines share: verbs imported when they are used, errors as exit codes.

    @click.group(cls=LazyGroup, verbs={"ls": ("example.cli.ls:command", "List examples")})
    def pyexample() -> None: …

A command raises errdefs; `run_main` prints the message on standard error and exits with 1 (or what
the exception's `exit_code` says), 130 after Ctrl-C, 2 for wrong usage.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import update_wrapper
from importlib import import_module
from typing import Any, NoReturn, ParamSpec, TypeVar

import click

from engine.errdefs import DockyardError

P = ParamSpec("P")
T = TypeVar("T")


class LazyGroup(click.Group):
    """A group whose verbs are named in a table and imported on use.

    verbs: name → (where, short help), e.g. ``"ls": ("machine.cli.ls:ls", "List machines")``. The
    short help stands in the table so that `--help` imports none of them. unknown: what to tell who asks
    for a verb that is not there.
    """

    def __init__(
        self, *args: Any, verbs: Mapping[str, tuple[str, str]], unknown: str = "", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._verbs = dict(verbs)
        self._unknown = unknown

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the table's order."""
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb."""
        entry = self._verbs.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry[0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, but an unknown verb is answered with what was probably meant."""
        if args and args[0] not in self._verbs and not args[0].startswith("-"):
            ctx.fail(f"No such command '{args[0]}'. {self.hint(args[0])}".rstrip())
        return super().resolve_command(ctx, args)

    def hint(self, verb: str) -> str:
        """A sentence for who asked for an unknown verb; "" if there is nothing to say."""
        import difflib  # only a typo pays for it

        close = difflib.get_close_matches(verb, self._verbs, n=1)
        return f"Did you mean '{close[0]}'?" if close else self._unknown

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._verbs.items()])


def coroutine(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Let an `async def` be a click command."""

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        import asyncio  # 35 ms that a command line without network need not pay

        return asyncio.run(function(*args, **kwargs))

    return update_wrapper(call, function)


def run_main(group: click.Command, prog_name: str, args: list[str] | None = None) -> NoReturn:
    """Run a command line and exit with its code."""
    try:
        code = group.main(args=args, prog_name=prog_name, standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as exc:
        exc.show()
        code = exc.exit_code
    except KeyboardInterrupt:
        code = 130
    except DockyardError as exc:
        print(str(exc), file=sys.stderr)
        code = getattr(exc, "exit_code", 1)
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away, as `| head` does
        code = 141
    sys.exit(code if isinstance(code, int) else 0)
