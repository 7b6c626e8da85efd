"""Projects and engine states for tests of plans and conversions: from YAML text, without files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from compose import labels
from compose.loader import profiles
from compose.loader.canonical import canonical
from compose.loader.normalize import normalize
from compose.loader.parse import parse
from compose.loader.validate import validate
from compose.model import Project
from compose.plan.hashing import config_hash
from compose.plan.state import Container, Network, Observed


def project(text: str, name: str = "p") -> Project:
    """A project as the loader makes it of one file."""
    tree = parse(text, "compose.yaml")[0].tree
    validate(tree)
    tree = normalize(canonical(tree), name)
    enabled, disabled = profiles.split_by_profile(tree["services"], ())
    return Project(
        name=name,
        directory=Path("/project"),
        files=["/project/compose.yaml"],
        env_files=[],
        services=enabled,
        disabled=disabled,
        networks=tree["networks"],
        volumes=tree["volumes"],
        secrets=tree.get("secrets", {}),
        configs=tree.get("configs", {}),
    )


def container(of: Project, service: str, number: int = 1, **changes: Any) -> Container:
    """A running container that is what `service` asks for, but for `changes`."""
    found = changes.pop("labels", {})
    body = of.services.get(service, {})
    known = {
        labels.PROJECT: of.name,
        labels.SERVICE: service,
        labels.CONTAINER_NUMBER: str(number),
        labels.CONFIG_HASH: config_hash(of, service) if body else "",
        labels.DEPENDS_ON: labels.encode_depends_on(body.get("depends_on") or {}),
        **found,
    }
    fields: dict[str, Any] = {
        "id": f"{service}{number}".ljust(64, "0"),
        "name": f"{of.name}-{service}-{number}",
        "service": service,
        "number": number,
        "state": "running",
        "image": of.image_of(service) if body else "x",
        "image_id": "sha256:current",
        "labels": known,
        "networks": frozenset(of.networks[n]["name"] for n in body.get("networks") or ()),
    }
    return Container(**{**fields, **changes})


def state(of: Project, *containers: Container, missing: tuple[str, ...] = (), **changes: Any) -> Observed:
    """An engine that has the project's networks, volumes and images, except those `missing`."""
    fields: dict[str, Any] = {
        "containers": containers,
        "networks": {
            n["name"]: Network(n["name"], (f"id-{n['name']}",), {labels.PROJECT: of.name})
            for n in of.networks.values()
            if n["name"] not in missing
        },
        "volumes": {
            v["name"]: {"Name": v["name"], "Labels": {labels.PROJECT: of.name}}
            for v in of.volumes.values()
            if v["name"] not in missing
        },
        "images": {
            f"{of.image_of(s)}:latest": frozenset({"sha256:current"})
            for s in of.services
            if of.image_of(s) not in missing
        },
    }
    return Observed(**{**fields, **changes})
