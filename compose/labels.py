"""The labels by which docker compose, and we, know a project's objects on an engine."""

from __future__ import annotations

from collections.abc import Mapping

PREFIX = "com.docker.compose."
PROJECT = PREFIX + "project"
SERVICE = PREFIX + "service"
CONFIG_HASH = PREFIX + "config-hash"
CONTAINER_NUMBER = PREFIX + "container-number"
ONEOFF = PREFIX + "oneoff"
SLUG = PREFIX + "slug"
IMAGE = PREFIX + "image"
DEPENDS_ON = PREFIX + "depends_on"
VOLUME = PREFIX + "volume"
NETWORK = PREFIX + "network"
WORKING_DIR = PREFIX + "project.working_dir"
CONFIG_FILES = PREFIX + "project.config_files"
ENVIRONMENT_FILE = PREFIX + "project.environment_file"
VERSION = PREFIX + "version"
REPLACES = PREFIX + "replace"

OUR_VERSION = "2.40.0"
"""The docker compose whose conventions these are; 1.29 and 2.x both read them."""


def of_project(project: str, **more: str) -> dict[str, list[str]]:
    """The `filters` parameter that selects a project's objects."""
    return {"label": [f"{PROJECT}={project}", *(f"{PREFIX}{key}={value}" for key, value in more.items())]}


def encode_depends_on(dependencies: Mapping[str, Mapping[str, object]]) -> str:
    """``db:service_healthy:false,cache:service_started:true``."""
    return ",".join(
        f"{name}:{entry.get('condition', 'service_started')}:{'true' if entry.get('restart') else 'false'}"
        for name, entry in dependencies.items()
    )


def decode_depends_on(text: str) -> dict[str, str]:
    """Service → condition; what `down` orders by when there is no file."""
    found = {}
    for part in filter(None, text.split(",")):
        name, _, rest = part.partition(":")
        found[name] = rest.partition(":")[0] or "service_started"
    return found
