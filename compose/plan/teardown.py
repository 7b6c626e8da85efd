"""`stop`, `kill`, `rm`, `restart`, `start` and `down`: plans over what exists, ordered by its labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from compose import labels
from compose.plan.operations import Kind, Plan
from compose.plan.order import dependents, topological
from compose.plan.state import Container, Observed


@dataclass(frozen=True, slots=True)
class Down:
    """The options of `down`. images: "", "local" (named by us) or "all"."""

    services: tuple[str, ...] = ()
    volumes: bool = False
    images: str = ""
    remove_orphans: bool = False
    timeout: int | None = None


def edges_of(containers: Iterable[Container]) -> dict[str, list[str]]:
    """Service → services it depends on, from the labels of its containers."""
    edges: dict[str, list[str]] = {}
    for container in containers:
        found = labels.decode_depends_on(container.labels.get(labels.DEPENDS_ON, ""))
        known = edges.setdefault(container.service, [])
        known.extend(name for name in found if name not in known)
    return edges


def chosen(observed: Observed, services: Iterable[str], *, oneoffs: bool = False) -> list[Container]:
    """The containers of the services (of all, if none are named), by service and number."""
    wanted = set(services)
    found = [
        c for c in observed.containers if (not wanted or c.service in wanted) and (oneoffs or not c.oneoff)
    ]
    return sorted(found, key=lambda c: (c.service, c.number))


def in_reverse(
    plan: Plan, kind: Kind, containers: list[Container], reason: str = "", **details: Any
) -> dict[str, list[str]]:
    """Add one operation for each container, dependents before what they depend on; ids by service."""
    return _ordered(plan, kind, containers, dependents(edges_of(containers)), reason, details)


def in_order(
    plan: Plan, kind: Kind, containers: list[Container], reason: str = "", **details: Any
) -> dict[str, list[str]]:
    """The same, dependencies first."""
    return _ordered(plan, kind, containers, edges_of(containers), reason, details)


def _ordered(
    plan: Plan,
    kind: Kind,
    containers: list[Container],
    first: Mapping[str, list[str]],
    reason: str,
    details: Mapping[str, Any],
) -> dict[str, list[str]]:
    by_service: dict[str, list[Container]] = {}
    for container in containers:
        by_service.setdefault(container.service, []).append(container)
    added: dict[str, list[str]] = {}
    for service in topological({name: first.get(name, []) for name in by_service}):
        needs = [identity for other in first.get(service, ()) for identity in added.get(other, ())]
        added[service] = [
            plan.add(
                kind,
                c.name,
                service=service,
                reason=reason,
                needs=needs,
                key=c.id,
                container=c.id,
                **details,
            )
            for c in by_service[service]
        ]
    return added


def down(observed: Observed, wanted: Down, known: Iterable[str] | None = None) -> Plan:
    """Remove containers, networks, and what was asked for.

    known: the services that the files define, if they could be read: containers of others are
    orphans, left alone unless `remove_orphans`.
    """
    plan = Plan()
    containers = chosen(observed, wanted.services, oneoffs=True)
    if known is not None and not wanted.remove_orphans and not wanted.services:
        defined = set(known)
        orphans = [c for c in containers if c.service not in defined]
        containers = [c for c in containers if c.service in defined]
        if orphans:
            names = ", ".join(c.name for c in orphans)
            plan.orphans.append(
                f"Found orphan containers ([{names}]) for this project. You can run this command with the "
                "--remove-orphans flag to clean it up."
            )
    in_reverse(plan, Kind.STOP, [c for c in containers if c.running], timeout=wanted.timeout)
    removals = []
    for container in containers:
        stop = f"{Kind.STOP.value} {container.id}"
        removals.append(
            plan.add(
                Kind.REMOVE,
                container.name,
                service=container.service,
                needs=[stop] if stop in plan else [],
                key=container.id,
                container=container.id,
                volumes=wanted.volumes,
            )
        )
    if not wanted.services:
        _resources(plan, observed, wanted, removals)
    if wanted.images:
        _images(plan, containers, wanted.images, removals)
    return plan


def _resources(plan: Plan, observed: Observed, wanted: Down, removals: list[str]) -> None:
    for network in observed.networks.values():
        if network.labels.get(labels.PROJECT):
            for identity in network.ids:
                plan.add(Kind.REMOVE_NETWORK, network.name, needs=removals, key=identity, network=identity)
    if wanted.volumes:
        for name, volume in observed.volumes.items():
            if (volume.get("Labels") or {}).get(labels.PROJECT):
                plan.add(Kind.REMOVE_VOLUME, name, needs=removals)


def _images(plan: Plan, containers: list[Container], which: str, removals: list[str]) -> None:
    for container in containers:
        project = container.labels.get(labels.PROJECT, "")
        built = container.image.partition(":")[0] == f"{project}-{container.service}"
        if which == "all" or built:
            plan.add(Kind.REMOVE_IMAGE, container.image, needs=removals)
