"""`run`: a one-off command on a service."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from compose.cli.context import Settings
from compose.cli.engine import make_reporter, with_engine
from compose.cli.up import make_options
from compose.errors import ExitWith
from compose.execute.oneoff import RunOptions, run_oneoff
from compose.loader.canonical import key_values, labels
from compose.loader.dotenv import read_dotenv
from compose.loader.load import Loading
from compose.loader.mounts import canonical_mount
from compose.loader.paths import absolute
from compose.loader.ports import parse_short
from compose.model import Body, Project
from compose.plan.images import ImageOptions


@click.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-d", "--detach", is_flag=True, help="Run container in background and print container ID")
@click.option("-e", "--env", "environment", multiple=True, help="Set environment variables")
@click.option("--env-from-file", "env_files", multiple=True, help="Set environment variables from file")
@click.option("-l", "--label", "own_labels", multiple=True, help="Add or override a label")
@click.option("-u", "--user", default="", help="Run as specified username or uid")
@click.option("-w", "--workdir", default="", help="Working directory inside the container")
@click.option("-v", "--volume", "volumes", multiple=True, help="Bind mount a volume")
@click.option("-p", "--publish", "ports", multiple=True, help="Publish a container's port(s) to the host")
@click.option("-P", "--service-ports", is_flag=True, help="Publish the service's ports")
@click.option("-T", "--no-TTY", "no_tty", is_flag=True, help="Disable pseudo-TTY allocation")
@click.option("-i/--no-interactive", "interactive", default=True, help="Keep STDIN open even if not attached")
@click.option("--entrypoint", default=None, help="Override the entrypoint of the image")
@click.option("--name", default="", help="Assign a name to the container")
@click.option("--no-deps", is_flag=True, help="Don't start linked services")
@click.option("--rm", "remove", is_flag=True, help="Automatically remove the container when it exits")
@click.option("--build", is_flag=True, help="Build image before starting container")
@click.option("--use-aliases", is_flag=True, help="Use the service's network useAliases")
@click.option("--cap-add", multiple=True, help="Add Linux capabilities")
@click.option("--cap-drop", multiple=True, help="Drop Linux capabilities")
@click.option("--pull", type=click.Choice(["always", "missing", "never"]), help="Pull image before running")
@click.option("--quiet-pull", is_flag=True, help="Pull without printing progress information")
@click.option("--remove-orphans", is_flag=True, help="Remove containers for services not defined")
@click.argument("service")
@click.argument("args", nargs=-1)
@click.pass_obj
def command(settings: Settings, /, service: str, args: tuple[str, ...], **given: Any) -> None:
    """Run a one-off command on a service."""
    project = settings.load(Loading(named=(service,)))
    interactive = given["interactive"] and not given["detach"]
    options = RunOptions(
        service=service,
        overrides=overrides(project, service, args, given),
        name=given["name"],
        labels=labels(list(given["own_labels"])),
        detach=given["detach"],
        terminal=not given["no_tty"] and interactive and sys.stdin.isatty() and sys.stdout.isatty(),
        interactive=interactive,
        remove=given["remove"],
        dependencies=not given["no_deps"],
        use_aliases=given["use_aliases"],
        images=ImageOptions(build=True if given["build"] else None, pull=given["pull"] or ""),
    )
    up_options = make_options(settings, (), {"remove_orphans": given["remove_orphans"]})
    code = with_engine(
        settings, lambda client: run_oneoff(client, project, options, up_options, make_reporter(settings))
    )
    if code:
        raise ExitWith(code)


def overrides(project: Project, service: str, args: tuple[str, ...], given: dict[str, Any]) -> Body:
    """The attributes of the service that the command line changes."""
    own = project.services[service]
    changed: Body = {"ports": own.get("ports", []) if given["service_ports"] else [], "container_name": None}
    if given["ports"]:
        changed["ports"] = [port for text in given["ports"] for port in parse_short(text)]
    if args:
        changed["command"] = list(args)
    if given["entrypoint"] is not None:
        changed["entrypoint"] = shlex.split(given["entrypoint"])
        changed.setdefault("command", None)
    environment = dict(own.get("environment") or {})
    for path in given["env_files"]:
        environment.update(read_dotenv(Path(path), project.environment.get))
    for key, value in key_values(list(given["environment"])).items():
        environment[key] = project.environment.get(key) if value is None else value
    changed["environment"] = environment
    for option, attribute in (("user", "user"), ("workdir", "working_dir")):
        if given[option]:
            changed[attribute] = given[option]
    for attribute in ("cap_add", "cap_drop"):
        if given[attribute]:
            changed[attribute] = [*own.get(attribute, []), *given[attribute]]
    if given["volumes"]:
        mounts = [canonical_mount(text) for text in given["volumes"]]
        for mount in mounts:
            if mount["type"] == "bind":
                mount["source"] = absolute(mount["source"], Path.cwd())
        targets = {mount["target"] for mount in mounts}
        kept = [mount for mount in own.get("volumes", []) if mount["target"] not in targets]
        changed["volumes"] = [*kept, *mounts]
    return changed
