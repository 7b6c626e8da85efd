"""The hash that decides whether a container still is what its service asks for."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from compose.model import Project

NOT_HASHED = ("build", "pull_policy", "scale", "depends_on", "profiles", "develop", "attach")
"""Attributes whose change doesn't make another container."""


def hashed_part(project: Project, service: str) -> dict[str, Any]:
    """What of a service is hashed: its body without NOT_HASHED and the number of replicas, and the
    content of the secrets and configs it uses, so that a changed one makes new containers."""
    body = {key: value for key, value in project.services[service].items() if key not in NOT_HASHED}
    deploy = body.get("deploy")
    if deploy and "replicas" in deploy:
        body["deploy"] = {key: value for key, value in deploy.items() if key != "replicas"}
    for section in ("secrets", "configs"):
        definitions: dict[str, Any] = getattr(project, section)
        used = {item["source"]: definitions.get(item["source"], {}) for item in body.get(section) or ()}
        if used:
            body[f"{section} content"] = used
    return body


def config_hash(project: Project, service: str) -> str:
    """sha256 in hex of `hashed_part`, independent of the order of keys."""
    text = json.dumps(hashed_part(project, service), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
