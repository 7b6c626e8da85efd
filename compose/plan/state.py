"""What is on the engine, read from the API's answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compose import labels


@dataclass(frozen=True, slots=True)
class Container:
    """A container of the project. name: without slash and node; node: on a cluster, else empty.

    state: created, running, paused, restarting, removing, exited or dead.
    """

    id: str
    name: str
    service: str
    number: int = 1
    state: str = "created"
    node: str = ""
    oneoff: bool = False
    image: str = ""
    image_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    networks: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def config_hash(self) -> str:
        """Of the service it was made from."""
        return self.labels.get(labels.CONFIG_HASH, "")

    @property
    def running(self) -> bool:
        """Whether it has a process, or is about to get it again."""
        return self.state in ("running", "restarting", "paused")


@dataclass(frozen=True, slots=True)
class Network:
    """A network by its name; nodes: where a copy exists, on a cluster of local networks."""

    name: str
    ids: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    nodes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Observed:
    """One look at an engine. images: reference → ids under it (several on a cluster).

    nodes: names of a cluster's nodes, empty for a single engine.
    """

    containers: tuple[Container, ...] = ()
    networks: Mapping[str, Network] = field(default_factory=dict)
    volumes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    images: Mapping[str, frozenset[str]] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()

    def of_service(self, service: str) -> list[Container]:
        """The containers of a service but its one-offs, by number."""
        found = [c for c in self.containers if c.service == service and not c.oneoff]
        return sorted(found, key=lambda c: c.number)


def split_node(name: str) -> tuple[str, str]:
    """``/node/name`` or ``node/name`` → (node, name); ``/name`` → ("", name)."""
    node, slash, rest = name.removeprefix("/").rpartition("/")
    return (node, rest) if slash else ("", rest)


def container_from_list(item: Mapping[str, Any]) -> Container:
    """An element of GET /containers/json."""
    names = [name for name in item.get("Names") or () if name.count("/") <= 2]
    # links give a container further names of the form /other/alias: its own is the shortest
    node, name = split_node(min(names, key=len)) if names else ("", item["Id"][:12])
    found = item.get("Labels") or {}
    number = found.get(labels.CONTAINER_NUMBER, "1")
    return Container(
        id=item["Id"],
        name=name,
        node=node,
        service=found.get(labels.SERVICE, ""),
        number=int(number) if number.isdigit() else 1,
        state=item.get("State", ""),
        oneoff=found.get(labels.ONEOFF, "False").lower() == "true",
        image=item.get("Image", ""),
        image_id=item.get("ImageID", ""),
        labels=found,
        networks=frozenset(
            split_node(network)[1] for network in (item.get("NetworkSettings") or {}).get("Networks") or ()
        ),
        volumes=frozenset(m.get("Name", "") for m in item.get("Mounts") or () if m.get("Type") == "volume"),
        details=item,
    )


def networks_from_list(items: Iterable[Mapping[str, Any]], nodes: Iterable[str] = ()) -> dict[str, Network]:
    """GET /networks, copies of one name on several nodes put together."""
    known = set(nodes)
    result: dict[str, Network] = {}
    for item in items:
        node, name = split_node(item["Name"])
        if node and node not in known:
            node, name = "", item["Name"]
        before = result.get(name)
        result[name] = Network(
            name,
            (*(before.ids if before else ()), item["Id"]),
            item.get("Labels") or {},
            (before.nodes if before else frozenset()) | ({node} if node else set()),
        )
    return result


def images_from_list(items: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """GET /images/json by reference, and by id."""
    result: dict[str, set[str]] = {}
    for item in items:
        for reference in (*(item.get("RepoTags") or ()), *(item.get("RepoDigests") or ()), item["Id"]):
            result.setdefault(reference, set()).add(item["Id"])
    return {reference: frozenset(ids) for reference, ids in result.items()}


def familiar(reference: str) -> str:
    """The form in which engines list a reference: no default registry, always a tag or digest."""
    for prefix in ("docker.io/library/", "docker.io/", "index.docker.io/library/", "index.docker.io/"):
        if reference.startswith(prefix):
            reference = reference.removeprefix(prefix)
            break
    if "@" in reference or reference.startswith("sha256:") or ":" in reference.rpartition("/")[2]:
        return reference
    return f"{reference}:latest"


def nodes_from_info(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of a cluster's healthy nodes from its GET /info; empty for a single engine.

    Source: the manager's SystemStatus rows, ``[" name", "address"]`` followed by ``"  └ Status"``.
    """
    rows = info.get("SystemStatus") or info.get("DriverStatus") or []
    if not any(row and row[0].strip() == "Nodes" for row in rows):
        return ()
    nodes: dict[str, bool] = {}
    current = ""
    for key, value in rows:
        text = key.strip().lstrip("\b")
        if "└" in text:
            if text.endswith("Status") and current:
                nodes[current] = value.strip().lower() == "healthy"
        elif key.startswith((" ", "\b ")) and text not in ("Nodes", "Role", "Strategy", "Filters", "Primary"):
            current = text
            nodes[current] = True
    return tuple(name for name, healthy in nodes.items() if healthy and name != "(unknown)")
