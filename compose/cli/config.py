"""`config`: the project as Compose understands it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from compose.cli.context import Settings
from compose.loader.load import Loading
from compose.model import Project


@click.command("config")
@click.option("-q", "--quiet", is_flag=True, help="Only validate the configuration, don't print anything")
@click.option("--format", "style", type=click.Choice(["yaml", "json"]), default="yaml", help="Output format")
@click.option("--services", "show", flag_value="services", help="Print the service names, one per line")
@click.option("--volumes", "show", flag_value="volumes", help="Print the volume names, one per line")
@click.option("--networks", "show", flag_value="networks", help="Print the network names, one per line")
@click.option("--images", "show", flag_value="images", help="Print the image names, one per line")
@click.option("--profiles", "show", flag_value="profiles", help="Print the profile names, one per line")
@click.option("--environment", "show", flag_value="environment", help="Print the variables for interpolation")
@click.option(
    "--hash", "hashed", default=None, metavar="SERVICE", help='Print the hash of a service, or of all ("*")'
)
@click.option("--no-interpolate", is_flag=True, help="Don't interpolate environment variables")
@click.option("--no-consistency", is_flag=True, help="Don't check model consistency")
@click.option("--no-env-resolution", is_flag=True, help="Don't resolve service env files")
@click.option("-o", "--output", default=None, metavar="PATH", help="Save to file (default to stdout)")
@click.argument("services", nargs=-1)
@click.pass_obj
def command(settings: Settings, /, services: tuple[str, ...], **given: Any) -> None:
    """Parse, resolve and render compose file in canonical format."""
    project = settings.load(
        Loading(
            interpolate=not given["no_interpolate"],
            consistency=not given["no_consistency"],
            resolve_environment=not given["no_env_resolution"],
            named=services,
            all_profiles=given["show"] == "profiles",
        )
    )
    text = render(project, services, given)
    if given["quiet"]:
        return
    if given["output"]:
        Path(given["output"]).write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)


def render(project: Project, services: tuple[str, ...], given: dict[str, Any]) -> str:
    """What the options ask for, as text."""
    if given["hashed"]:
        return _hashes(project, given["hashed"])
    if given["show"]:
        return "".join(f"{line}\n" for line in _listing(project, given["show"]))
    tree = as_tree(project, services)
    if not given["no_interpolate"]:
        tree = escape(tree)
    from compose.emit import to_json, to_yaml

    return to_json(tree) if given["style"] == "json" else to_yaml(tree)


def _listing(project: Project, what: str) -> list[str]:
    match what:
        case "images":
            return sorted({project.image_of(name) for name in project.services})
        case "profiles":
            return sorted(
                {profile for body in project.services.values() for profile in body.get("profiles", ())}
            )
        case "environment":
            return [f"{key}={value}" for key, value in sorted(project.environment.items())]
    names: dict[str, Any] = getattr(project, what)
    return sorted(names)


def _hashes(project: Project, wanted: str) -> str:
    from compose.plan.hashing import config_hash

    names = sorted(project.services) if wanted == "*" else project.require(wanted.split(","))
    return "".join(f"{name} {config_hash(project, name)}\n" for name in names)


def as_tree(project: Project, services: tuple[str, ...] = ()) -> dict[str, Any]:
    """A project as the content of a compose file; only some services and what they need, if named."""
    from compose.loader.profiles import with_dependencies

    names = with_dependencies(project.services, services or project.services)
    tree: dict[str, Any] = {
        "name": project.name,
        "services": {name: project.services[name] for name in names},
    }
    for key in ("networks", "volumes", "secrets", "configs"):
        section = getattr(project, key)
        if section:
            tree[key] = section
    return {**tree, **project.extensions}


def escape(tree: Any) -> Any:
    """Dollars doubled, so that what was printed can be loaded again."""
    if isinstance(tree, str):
        return tree.replace("$", "$$") if "$" in tree else tree
    if isinstance(tree, dict):
        return {key: escape(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [escape(item) for item in tree]
    return tree
