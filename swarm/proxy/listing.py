"""`docker ps` over the cluster, from the view: rows, their status in words, filters and limits. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from engine.api.durations import human_duration
from engine.api.filters import Filters
from engine.errdefs import InvalidParameter, NotFound
from swarm.cluster.images import with_tag
from swarm.cluster.node import ContainerRecord

_STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
HOST_DOWN = "Host Down"


def rows(
    records: Iterable[ContainerRecord],
    find: Callable[[str], ContainerRecord],
    *,
    all: bool,
    limit: int,
    filters: Filters,
    now: datetime | None = None,
) -> list[dict[str, Any]]:
    """What GET /containers/json answers, newest first.

    find: a container by reference, for `before` and `since`. limit: 0 for none; like `before`, `since` and
    a `status` it shows stopped containers too. InvalidParameter for an unknown filter.
    """
    _validate(filters)
    now = now or datetime.now(UTC)
    with_stopped = all or limit > 0 or any(key in filters for key in ("status", "exited", "before", "since"))
    bounds = _bounds(filters, find)
    chosen = [
        record
        for record in records
        if (with_stopped or record.summary.get("State") in ("running", "paused", "restarting"))
        and bounds(record)
        and all_hold(record, filters)
    ]
    chosen.sort(key=lambda r: (r.summary.get("Created", 0), r.id), reverse=True)
    return [row(record, now) for record in (chosen[:limit] if limit > 0 else chosen)]


def row(record: ContainerRecord, now: datetime) -> dict[str, Any]:
    """One row: the engine's, with the node in the names, its address in the ports, and the status of now."""
    node = record.node
    shown = dict(record.summary)
    shown["Names"] = [f"/{node.name}/{name.lstrip('/')}" for name in shown.get("Names") or ()]
    shown["Ports"] = [
        {**p, "IP": node.facts.ip} if p.get("IP") == "0.0.0.0" else p for p in shown.get("Ports") or ()
    ]
    shown["Status"] = status(record.state, now) if node.healthy else HOST_DOWN
    return shown


# The status in words


def status(state: Mapping[str, Any], now: datetime) -> str:
    """docker's words for an inspected `State`: ``Up 2 minutes (healthy)``, ``Exited (0) 3 seconds ago``."""
    if state.get("Running") or state.get("Paused") or state.get("Restarting"):
        return _running(state, now)
    if state.get("Status") == "removing":
        return "Removal In Progress"
    if state.get("Dead"):
        return "Dead"
    started, finished = moment(state.get("StartedAt")), moment(state.get("FinishedAt"))
    if started is None and state.get("Status") != "exited":
        return "Created"
    if finished is None:
        return ""
    return f"Exited ({state.get('ExitCode', 0)}) {ago(finished, now)} ago"


def _running(state: Mapping[str, Any], now: datetime) -> str:
    if state.get("Restarting"):
        finished = moment(state.get("FinishedAt")) or now
        return f"Restarting ({state.get('ExitCode', 0)}) {ago(finished, now)} ago"
    up = f"Up {ago(moment(state.get('StartedAt')) or now, now)}"
    if state.get("Paused"):
        return f"{up} (Paused)"
    health = (state.get("Health") or {}).get("Status", "none")
    if health == "starting":
        return f"{up} (health: starting)"
    return f"{up} ({health})" if health not in ("", "none") else up


def moment(text: str | None) -> datetime | None:
    """An RFC 3339 time with any number of digits; None for Go's zero time."""
    if not text or text.startswith("0001-"):
        return None
    head, dot, rest = text.partition(".")
    if dot:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        text = f"{head}.{digits[:6]}{rest[len(digits) :]}"
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def ago(then: datetime, now: datetime) -> str:
    """A span in docker's words."""
    return human_duration((now - then).total_seconds())


# Filters: key → whether a record holds


def _ports(record: ContainerRecord, filters: Filters, key: str, member: str) -> bool:
    have = {
        (p.get(member), p.get("Type")) for p in record.summary.get("Ports") or () if p.get(member) is not None
    }
    return any(port in have for text in filters.get(key) for port in _port_range(key, text))


def _port_range(key: str, text: str) -> list[tuple[int, str]]:
    numbers, _, proto = text.partition("/")
    first, _, last = numbers.partition("-")
    if not first.isdigit() or (last and not last.isdigit()):
        raise InvalidParameter(f"invalid port in filter {key}: {text}")
    return [(n, proto or "tcp") for n in range(int(first), int(last or first) + 1)]


def _mounts(record: ContainerRecord, filters: Filters) -> bool:
    mounts = record.summary.get("Mounts") or ()
    return any(v in (m.get("Name"), m.get("Destination")) for v in filters.get("volume") for m in mounts)


def _networks(record: ContainerRecord, filters: Filters) -> bool:
    networks = (record.summary.get("NetworkSettings") or {}).get("Networks") or {}
    node = record.node.name
    ids = {n.get("NetworkID") for n in networks.values()}
    return any(
        v in networks or v in ids or v.removeprefix(f"{node}/") in networks for v in filters.get("network")
    )


def _ancestors(record: ContainerRecord, filters: Filters) -> bool:
    image, image_id = record.summary.get("Image", ""), record.summary.get("ImageID", "")
    for value in filters.get("ancestor"):
        if with_tag(value) == with_tag(image) or image_id.removeprefix("sha256:").startswith(
            value.removeprefix("sha256:")
        ):
            return True
        for held in record.node.images:
            if held["Id"] == image_id and with_tag(value) in (held.get("RepoTags") or ()):
                return True
    return False


def _names(record: ContainerRecord, filters: Filters) -> bool:
    name, node = record.name, record.node.name
    return filters.match("name", name, f"/{name}", f"{node}/{name}", f"/{node}/{name}")


def _exited(record: ContainerRecord, filters: Filters) -> bool:
    state = record.state
    ended = state.get("Status") == "exited"
    return ended and str(state.get("ExitCode", 0)) in filters.get("exited")


_HOLDS: dict[str, Callable[[ContainerRecord, Filters], bool]] = {
    "id": lambda r, f: f.prefix("id", r.id),
    "name": _names,
    "label": lambda r, f: f.labels(r.summary.get("Labels")),
    "status": lambda r, f: r.summary.get("State") in f.get("status"),
    "exited": _exited,
    "health": lambda r, f: (r.state.get("Health") or {}).get("Status", "none") in f.get("health"),
    "ancestor": _ancestors,
    "volume": _mounts,
    "network": _networks,
    "publish": lambda r, f: _ports(r, f, "publish", "PublicPort"),
    "expose": lambda r, f: _ports(r, f, "expose", "PrivatePort"),
    "is-task": lambda r, f: (
        ("com.docker.swarm.task" in (r.summary.get("Labels") or {})) == f.boolean("is-task")
    ),
    "node": lambda r, f: f.match("node", r.node.name, r.node.id),
}


def all_hold(record: ContainerRecord, filters: Filters) -> bool:
    """Whether a record passes every filter but `before` and `since`."""
    return all(_HOLDS[key](record, filters) for key in filters.keys() if key in _HOLDS)  # noqa: SIM118


def _validate(filters: Filters) -> None:
    filters.validate({*_HOLDS, "before", "since", "isolation"})
    for value in filters.get("status"):
        if value not in _STATES:
            raise InvalidParameter(f"invalid filter 'status={value}'")
    for value in filters.get("exited"):
        if not value.lstrip("-").isdigit():
            raise InvalidParameter(f"invalid filter 'exited={value}'")


def _bounds(filters: Filters, find: Callable[[str], ContainerRecord]) -> Callable[[ContainerRecord], bool]:
    def created(reference: str) -> int:
        try:
            return int(find(reference).summary.get("Created", 0))
        except NotFound as exc:
            raise InvalidParameter(str(exc)) from exc

    before = [created(r) for r in filters.get("before")]
    since = [created(r) for r in filters.get("since")]

    def holds(record: ContainerRecord) -> bool:
        when = record.summary.get("Created", 0)
        return all(when < bound for bound in before) and all(when > bound for bound in since)

    return holds
