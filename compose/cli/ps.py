"""`ps`: the containers of a project; one request, no file loaded if the name is known."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from compose.cli.context import Settings
from compose.cli.engine import find, with_engine
from compose.plan.state import Container
from compose.plan.teardown import chosen
from engine.api.durations import human_duration
from engine.client import DockerClient
from engine.client.tables import table

STATES = ("paused", "restarting", "removing", "running", "dead", "created", "exited")


@click.command("ps")
@click.option("-a", "--all", "everything", is_flag=True, help="Show all stopped containers")
@click.option("-q", "--quiet", is_flag=True, help="Only display IDs")
@click.option("--services", "only_services", is_flag=True, help="Display services")
@click.option("--format", "style", default="table", help="Format output: table or json")
@click.option("--status", multiple=True, type=click.Choice(STATES), help="Filter services by status")
@click.option("--filter", "filters", multiple=True, help="Filter services by a property (status=…)")
@click.option("--no-trunc", is_flag=True, help="Don't truncate output")
@click.option("--orphans/--no-orphans", default=True, help="Include orphaned services")
@click.argument("services", nargs=-1)
@click.pass_obj
def command(settings: Settings, /, services: tuple[str, ...], **given: Any) -> None:
    """List containers."""
    if given["style"] not in ("table", "json"):
        raise click.BadParameter("expected table or json", param_hint="--format")
    wanted = [*given["status"], *(f.partition("=")[2] for f in given["filters"] if f.startswith("status="))]

    async def run(client: DockerClient) -> list[Container]:
        _, observed = await find(client, settings, services)
        found = chosen(observed, services, oneoffs=True)
        if wanted:
            return [c for c in found if c.state in wanted]
        return [c for c in found if given["everything"] or c.running]

    click.echo(render(with_engine(settings, run), given), nl=False)


def render(containers: list[Container], given: dict[str, Any]) -> str:
    """What the options ask for."""
    if given["quiet"]:
        return "".join(f"{c.id}\n" for c in containers)
    if given["only_services"]:
        return "".join(f"{name}\n" for name in dict.fromkeys(c.service for c in containers))
    if given["style"] == "json":
        return "".join(json.dumps(as_json(c)) + "\n" for c in containers)
    rows = [
        (
            _full_name(c),
            c.image,
            _command(c, full=given["no_trunc"]),
            c.service,
            human_duration(time.time() - c.details.get("Created", 0)) + " ago",
            str(c.details.get("Status", "")),
            ports_text(c.details.get("Ports") or []),
        )
        for c in containers
    ]
    return table(("NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"), rows) + "\n"


def _full_name(container: Container) -> str:
    return f"{container.node}/{container.name}" if container.node else container.name


def _command(container: Container, *, full: bool) -> str:
    text = str(container.details.get("Command", ""))
    return f'"{text if full or len(text) <= 20 else text[:19] + "…"}"'


def ports_text(ports: list[dict[str, Any]]) -> str:
    """``0.0.0.0:8080->80/tcp, 443/tcp``."""
    parts = []
    for port in sorted(ports, key=lambda p: (p["PrivatePort"], p.get("Type", ""), p.get("IP", ""))):
        inner = f"{port['PrivatePort']}/{port.get('Type', 'tcp')}"
        if port.get("PublicPort"):
            ip = port.get("IP", "")
            ip = f"[{ip}]" if ":" in ip else ip
            inner = f"{ip}:{port['PublicPort']}->{inner}"
        parts.append(inner)
    return ", ".join(dict.fromkeys(parts))


def as_json(container: Container) -> dict[str, Any]:
    """docker compose's fields of one container."""
    details = container.details
    status = str(details.get("Status", ""))
    health = next((w for w in ("unhealthy", "healthy", "starting") if f"{w})" in status), "")
    code = status.partition("Exited (")[2].partition(")")[0]
    return {
        "Command": _command(container, full=True),
        "ExitCode": int(code) if code.lstrip("-").isdigit() else 0,
        "Health": health,
        "ID": container.id,
        "Image": container.image,
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(container.labels.items())),
        "Name": container.name,
        "Names": container.name,
        "Node": container.node,
        "Project": container.labels.get("com.docker.compose.project", ""),
        "Publishers": [
            {
                "URL": port.get("IP", ""),
                "TargetPort": port["PrivatePort"],
                "PublishedPort": port.get("PublicPort", 0),
                "Protocol": port.get("Type", "tcp"),
            }
            for port in details.get("Ports") or []
        ],
        "Service": container.service,
        "State": container.state,
        "Status": status,
    }
