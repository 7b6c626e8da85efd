"""One look at an engine: what it has of a project."""

from __future__ import annotations

import asyncio
from typing import Any

from compose import labels
from compose.model import Project
from compose.plan.state import (
    Observed,
    container_from_list,
    familiar,
    images_from_list,
    networks_from_list,
    nodes_from_info,
)
from engine.client import DockerClient
from engine.errdefs import NotFound


async def containers(client: DockerClient, project: str) -> Observed:
    """Only the containers, stopped ones too: one request."""
    items = await client.containers(all=True, filters=labels.of_project(project))
    return Observed(containers=tuple(map(container_from_list, _ours(items, project))))


async def everything(client: DockerClient, project: str) -> Observed:
    """Containers, networks and volumes of a project, for tearing down."""
    filters = labels.of_project(project)
    found, networks, volumes = await asyncio.gather(
        client.containers(all=True, filters=filters),
        client.json("GET", "/networks", params={"filters": filters}),
        client.json("GET", "/volumes", params={"filters": filters}),
    )
    return Observed(
        containers=tuple(map(container_from_list, _ours(found, project))),
        networks=networks_from_list(_ours(networks, project), _nodes(networks)),
        volumes={_short(v["Name"]): v for v in _ours((volumes or {}).get("Volumes") or [], project)},
    )


async def surroundings(client: DockerClient, project: Project) -> Observed:
    """All that planning `up` needs: also networks and volumes that aren't ours, images, nodes."""
    filters = labels.of_project(project.name)
    found, networks, volumes, images, nodes = await asyncio.gather(
        client.containers(all=True, filters=filters),
        client.json("GET", "/networks"),
        client.json("GET", "/volumes"),
        image_ids(client, project),
        cluster_nodes(client),
    )
    return Observed(
        containers=tuple(map(container_from_list, _ours(found, project.name))),
        networks=networks_from_list(networks, nodes),
        volumes={_short(v["Name"]): v for v in (volumes or {}).get("Volumes") or []},
        images=images,
        nodes=nodes,
    )


async def cluster_nodes(client: DockerClient) -> tuple[str, ...]:
    """Names of the healthy nodes if the endpoint is a cluster manager, else nothing."""
    version = await client.version()
    if not str(version.get("Version", "")).startswith("swarm/"):
        return ()
    return nodes_from_info(await client.info())


async def image_ids(client: DockerClient, project: Project) -> dict[str, frozenset[str]]:
    """The ids under each image reference that the project uses; a missing image has no entry."""
    listed = images_from_list(await client.json("GET", "/images/json"))
    result: dict[str, frozenset[str]] = {}
    for service in project.services:
        reference = project.image_of(service)
        known = listed.get(familiar(reference))
        if known is None and ("@" in reference or "/" in reference or len(reference) >= 12):
            known = await _inspect_image(client, reference)
        if known:
            result[familiar(reference)] = known
    return result


async def _inspect_image(client: DockerClient, reference: str) -> frozenset[str] | None:
    """For short ids and digests, which a listing doesn't name as they were written."""
    try:
        image = await client.json("GET", f"/images/{reference}/json")
    except NotFound:
        return None
    return frozenset({image["Id"]})


def _ours(items: list[dict[str, Any]] | None, project: str) -> list[dict[str, Any]]:
    """What carries our label: a manager may not know the filter."""
    return [item for item in items or [] if (item.get("Labels") or {}).get(labels.PROJECT) == project]


def _nodes(networks: list[dict[str, Any]] | None) -> set[str]:
    return {name.partition("/")[0] for item in networks or [] if "/" in (name := item["Name"])}


def _short(name: str) -> str:
    return name.rpartition("/")[2]
