"""`up`: create and start what the files describe."""

from __future__ import annotations

from typing import Any

import click

from compose.cli.context import Settings
from compose.cli.engine import make_reporter, with_engine
from compose.errors import ComposeError, ExitWith
from compose.execute.attached import AttachOptions, Foreground
from compose.execute.events import ProjectEvents
from compose.execute.logs import LogOptions
from compose.execute.observe import containers
from compose.execute.up import UpOptions, plan_up, up, wait_ready
from compose.loader.load import Loading
from compose.model import Project
from compose.plan.converge import Wanted, selected
from compose.plan.images import ImageOptions
from compose.plan.teardown import chosen
from engine.client import DockerClient


def parse_scales(values: tuple[str, ...]) -> dict[str, int]:
    """``web=3`` → {"web": 3}."""
    result = {}
    for value in values:
        name, equals, count = value.partition("=")
        if not equals or not count.isdigit():
            raise ComposeError(f'invalid --scale option "{value}". Should be SERVICE=NUM')
        result[name] = int(count)
    return result


@click.command("up")
@click.option("-d", "--detach", is_flag=True, help="Run containers in the background")
@click.option("--build", "build", flag_value="yes", help="Build images first")
@click.option("--no-build", "build", flag_value="no", help="Don't build an image, even if it's missing")
@click.option("--pull", type=click.Choice(["always", "missing", "never"]), help="Pull image before running")
@click.option("--force-recreate", is_flag=True, help="Recreate containers even if nothing changed")
@click.option("--no-recreate", is_flag=True, help="Keep containers that exist")
@click.option("--always-recreate-deps", is_flag=True, help="Recreate dependent containers")
@click.option("--no-deps", is_flag=True, help="Don't start linked services")
@click.option("--no-start", is_flag=True, help="Don't start the services after creating them")
@click.option("--scale", "scales", multiple=True, metavar="SERVICE=NUM", help="Number of instances")
@click.option("-t", "--timeout", type=int, default=None, help="Seconds to wait when containers are stopped")
@click.option("-V", "--renew-anon-volumes", is_flag=True, help="Don't keep anonymous volumes")
@click.option("--remove-orphans", is_flag=True, help="Remove containers for services not defined")
@click.option("--wait", is_flag=True, help="Wait for services to be running|healthy. Implies detached mode")
@click.option("--wait-timeout", type=float, default=None, help="Seconds to wait for that")
@click.option("--abort-on-container-exit", is_flag=True, help="Stop all when any container stopped")
@click.option("--abort-on-container-failure", is_flag=True, help="Stop all when any container failed")
@click.option("--exit-code-from", default="", metavar="SERVICE", help="Return the exit code of this service")
@click.option("--no-color", is_flag=True, help="Produce monochrome output")
@click.option("--no-log-prefix", is_flag=True, help="Don't print prefix in logs")
@click.option("--timestamps", is_flag=True, help="Show timestamps")
@click.option("--no-attach", multiple=True, metavar="SERVICE", help="Do not show logs of this service")
@click.option("--attach", multiple=True, metavar="SERVICE", help="Show logs of only these services")
@click.option("--attach-dependencies", is_flag=True, help="Show logs of dependent services too")
@click.option("--quiet-pull", is_flag=True, help="Pull without printing progress information")
@click.option("--quiet-build", is_flag=True, help="Suppress the build output")
@click.option("--menu", is_flag=True, hidden=True)
@click.option("-y", "--yes", is_flag=True, help='Assume "yes" as answer to all prompts')
@click.argument("services", nargs=-1)
@click.pass_obj
def command(settings: Settings, /, services: tuple[str, ...], **given: Any) -> None:
    """Create and start containers."""
    _check(given)
    project = settings.load(Loading(named=services)).scaled(parse_scales(given["scales"]))
    project.require([name for name in [given["exit_code_from"]] if name])
    options = make_options(settings, services, given)
    code = with_engine(settings, lambda client: _run(client, settings, project, options, given))
    if code:
        raise ExitWith(code)


def _check(given: dict[str, Any]) -> None:
    if given["force_recreate"] and given["no_recreate"]:
        raise ComposeError("--force-recreate and --no-recreate are incompatible")
    if given["exit_code_from"]:
        given["abort_on_container_exit"] = True
    if given["wait"]:
        given["detach"] = True
    if given["detach"] and (given["abort_on_container_exit"] or given["abort_on_container_failure"]):
        raise ComposeError(
            "--detach cannot be combined with --abort-on-container-exit or --abort-on-container-failure"
        )


def make_options(settings: Settings, services: tuple[str, ...], given: dict[str, Any]) -> UpOptions:
    """Command line → options of the use case; flags that a verb lacks count as not given."""
    build = {"yes": True, "no": False}.get(given.get("build") or "")
    wanted = Wanted(
        services=services,
        dependencies=not given.get("no_deps"),
        force_recreate=bool(given.get("force_recreate")),
        always_recreate_dependencies=bool(given.get("always_recreate_deps")),
        recreate=not given.get("no_recreate"),
        renew_anonymous_volumes=bool(given.get("renew_anon_volumes")),
        start=not given.get("no_start"),
        remove_orphans=bool(given.get("remove_orphans")) or settings.env_flag("COMPOSE_REMOVE_ORPHANS"),
        stop_timeout=given.get("timeout"),
    )
    return UpOptions(
        wanted=wanted,
        images=ImageOptions(build=build, pull=given.get("pull") or ""),
        separator="_" if settings.compatibility else "-",
        parallel=settings.parallel,
        ignore_orphans=settings.env_flag("COMPOSE_IGNORE_ORPHANS"),
        quiet_build=bool(given.get("quiet_build")),
    )


async def _run(
    client: DockerClient, settings: Settings, project: Project, options: UpOptions, given: dict[str, Any]
) -> int:
    if settings.dry_run:
        images, plan, _ = await plan_up(client, project, options)
        for warning in (*plan.warnings, *plan.orphans):
            click.echo(f"WARN {warning}", err=True)
        click.echo((images.describe() if len(images) else "") + plan.describe(), nl=False)
        return 0
    reporter = make_reporter(settings)
    async with ProjectEvents(client, project.name) as events:
        if given["detach"] or given["no_start"]:
            await up(client, project, options, events, reporter)
            if given["wait"]:
                observed = await containers(client, project.name)
                names = selected(project, options.wanted)
                await wait_ready(client, chosen(observed, names), events, given["wait_timeout"])
            return 0
        attach = _attach_options(settings, given)
        shown = given["attach"] or selected(project, options.wanted)
        shown = [name for name in shown if name not in given["no_attach"]]
        shown = [name for name in shown if project.services[name].get("attach", True)]
        foreground = Foreground(
            client, project.name, selected(project, options.wanted), shown, events, attach, reporter
        )
        return await foreground.run(up(client, project, options, events, reporter))


def _attach_options(settings: Settings, given: dict[str, Any]) -> AttachOptions:
    return AttachOptions(
        abort=given["abort_on_container_exit"],
        abort_on_failure=given["abort_on_container_failure"],
        code_from=given["exit_code_from"],
        timeout=given["timeout"],
        logs=LogOptions(
            timestamps=given["timestamps"],
            prefix=not given["no_log_prefix"],
            colors=settings.colors() and not given["no_color"],
        ),
    )
