"""The entry point: global options, the table of verbs, errors → exit codes."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from compose.cli.context import Settings
from compose.errors import ComposeError, ExitWith
from engine.client.commands import LazyGroup
from engine.errdefs import DockyardError

VERBS = {
    "build": ("compose.cli.build:command", "Build or rebuild services"),
    "config": ("compose.cli.config:command", "Parse, resolve and render compose file in canonical format"),
    "create": ("compose.cli.create:command", "Create containers for services"),
    "down": ("compose.cli.down:command", "Stop and remove containers, networks"),
    "exec": ("compose.cli.exec:command", "Execute a command in a running container"),
    "images": ("compose.cli.images:command", "List images used by the created containers"),
    "kill": ("compose.cli.kill:command", "Force stop service containers"),
    "logs": ("compose.cli.logs:command", "View output from containers"),
    "port": ("compose.cli.port:command", "Print the public port for a port binding"),
    "ps": ("compose.cli.ps:command", "List containers"),
    "pull": ("compose.cli.pull:command", "Pull service images"),
    "restart": ("compose.cli.restart:command", "Restart service containers"),
    "rm": ("compose.cli.rm:command", "Removes stopped service containers"),
    "run": ("compose.cli.run:command", "Run a one-off command on a service"),
    "start": ("compose.cli.start:command", "Start services"),
    "stop": ("compose.cli.stop:command", "Stop services"),
    "top": ("compose.cli.top:command", "Display the running processes"),
    "up": ("compose.cli.up:command", "Create and start containers"),
    "version": ("compose.cli.version:command", "Show the version information"),
}

ALIASES = {"convert": "config"}


class ComposeGroup(LazyGroup):
    """The verbs and their aliases; an unknown one is reported as docker does."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """As a lazy group does, aliases resolved."""
        return super().get_command(ctx, ALIASES.get(cmd_name, cmd_name))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click does, but for an unknown verb."""
        if args and not args[0].startswith("-") and args[0] not in {*VERBS, *ALIASES}:
            message = f'unknown docker command: "compose {args[0]}". {self.hint(args[0])}'
            click.echo(message.removesuffix(". "), err=True)
            ctx.exit(1)
        return super().resolve_command(ctx, args)


@click.group(cls=ComposeGroup, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-f", "--file", "files", multiple=True, metavar="PATH", help="Compose configuration files")
@click.option("-p", "--project-name", default="", metavar="NAME", help="Project name")
@click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Specify a profile to enable")
@click.option(
    "--env-file", "env_files", multiple=True, metavar="PATH", help="Specify an alternate environment file"
)
@click.option(
    "--project-directory", default="", metavar="PATH", help="Specify an alternate working directory"
)
@click.option("-H", "--host", default=None, metavar="HOST", help="Engine to use; else DOCKER_HOST")
@click.option(
    "--parallel", type=int, default=None, metavar="N", help="Control max parallelism, -1 for unlimited"
)
@click.option("--dry-run", is_flag=True, help="Print what would be done, and why, and do nothing")
@click.option("--compatibility", is_flag=True, help="Name containers with _ as separator")
@click.option(
    "--ansi", type=click.Choice(["never", "always", "auto"]), default=None, help="Control characters"
)
@click.option(
    "--progress",
    type=click.Choice(["auto", "tty", "plain", "json", "quiet"]),
    default=None,
    help="Progress output",
)
@click.option("--all-resources", is_flag=True, hidden=True)
@click.option("--verbose", is_flag=True, hidden=True)
@click.pass_context
def main_group(ctx: click.Context, /, **options: Any) -> None:
    """Define and run multi-container applications on anything that speaks the Docker API."""
    options.pop("all_resources")
    options.pop("verbose")
    ctx.obj = Settings.make(options, os.environ)


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with docker compose's code."""
    sys.exit(run(sys.argv[1:] if args is None else args))


def run(args: list[str]) -> int:
    """Run the command line; the exit code."""
    try:
        result = main_group.main(args=args, prog_name="pycompose", standalone_mode=False)
    except ExitWith as exc:
        return exc.exit_code
    except ComposeError as exc:
        click.echo(str(exc), err=True)
        return exc.exit_code
    except DockyardError as exc:
        click.echo(str(exc), err=True)
        return 1
    except click.exceptions.NoArgsIsHelpError as exc:
        click.echo(exc.format_message())
        return 0
    except click.UsageError as exc:
        click.echo(exc.format_message(), err=True)
        if exc.ctx is not None:
            click.echo(f"\n{exc.ctx.get_usage()}", err=True)
        return 1
    except click.ClickException as exc:
        click.echo(exc.format_message(), err=True)
        return 1
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # the reader of our output went away (| head): nothing is left to be flushed to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return result if isinstance(result, int) else 0
