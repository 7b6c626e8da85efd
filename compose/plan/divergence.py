"""Does a container still match its service, and if not, why?"""

from __future__ import annotations

from compose import labels
from compose.model import Project
from compose.plan.hashing import config_hash
from compose.plan.state import Container, Observed, familiar


def diverged(project: Project, service: str, container: Container, observed: Observed) -> str:
    """The reason to recreate `container`, or "" if it is what the service asks for."""
    if container.state == "dead":
        return "it is dead"
    if container.config_hash != config_hash(project, service):
        return "its configuration has changed"
    reason = _image(project, service, container, observed)
    if reason:
        return reason
    body = project.services[service]
    for key in body.get("networks") or ():
        name = project.networks[key]["name"]
        # an engine may name the default bridge differently, and a stopped container of a cluster
        # may be listed without networks: only a container that has some can miss one
        if container.networks and name not in container.networks:
            return f"it is not connected to the network {name}"
    for mount in body.get("volumes") or ():
        if mount["type"] == "volume" and mount.get("source"):
            name = project.volumes[mount["source"]]["name"]
            if container.volumes and name not in container.volumes:
                return f"it does not use the volume {name}"
    return ""


def _image(project: Project, service: str, container: Container, observed: Observed) -> str:
    reference = project.image_of(service)
    current = observed.images.get(familiar(reference)) or observed.images.get(reference)
    if not current:
        return ""
    used = {container.image_id, container.labels.get(labels.IMAGE, "")} - {""}
    if used and not used & current:
        return f"the image {reference} has changed"
    return ""
