"""Attributes that load and show in `config`, but that nothing acts on yet: said, not passed over."""

from __future__ import annotations

from compose.errors import ComposeError
from compose.model import Project

IGNORED = {
    "pre_start": "its commands are not run",
    "post_start": "its commands are not run",
    "pre_stop": "its commands are not run",
    "models": "no model is provided",
    "use_api_socket": "the engine's socket is not mounted",
    "credential_spec": "it means something to Windows only",
}
IGNORED_DEPLOY = {
    "placement": "on a cluster, use constraint:… in the environment",
    "update_config": "containers are replaced stop-first, all at once",
}


def unsupported(project: Project, services: list[str]) -> list[str]:
    """A warning for each such attribute. Raises ComposeError for a provider, whose service couldn't be."""
    warnings = []
    for name in services:
        body = project.services[name]
        if body.get("provider"):
            raise ComposeError(f"services.{name}.provider: providers are not supported yet")
        for key, consequence in IGNORED.items():
            if body.get(key):
                warnings.append(f"services.{name}.{key} has no effect yet: {consequence}")
        for key, consequence in IGNORED_DEPLOY.items():
            if (body.get("deploy") or {}).get(key):
                warnings.append(f"services.{name}.deploy.{key} has no effect yet: {consequence}")
    return warnings
