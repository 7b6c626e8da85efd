"""Which containers `/containers/json` and prune mean: one rule a filter key.

Source: Engine API reference, "ContainerList" and "ContainerPrune", parameter `filters`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from engine.api.filters import Filters
from engine.container import timestamps
from engine.container.model import Container, Status
from engine.errdefs import InvalidParameter

PRUNE_KEYS = ("until", "label", "label!")


@dataclass(frozen=True, slots=True)
class Context:
    """What the rules need besides the container, resolved once for a request.

    ancestors: image ids that count as descending from the ones asked for, None for all. before, since:
    creation times.
    """

    ancestors: frozenset[str] | None = None
    before: int | None = None
    since: int | None = None


Rule = Callable[[Filters, Container, Context], bool]


def _name(filters: Filters, one: Container, context: Context) -> bool:
    # docker matches with and without the slash that names begin with on the wire
    return filters.match("name", "/" + one.name, one.name)


def _status(filters: Filters, one: Container, context: Context) -> bool:
    return filters.exact("status", one.state.status)


def _exited(filters: Filters, one: Container, context: Context) -> bool:
    if "exited" not in filters:
        return True
    ended = not one.active and one.state.finished_at > 0
    return ended and str(one.state.exit_code) in {_number(code) for code in filters.get("exited")}


def _number(text: str) -> str:
    if not re.fullmatch(r"-?\d+", text):
        raise InvalidParameter(f"invalid filter 'exited={text}'")
    return str(int(text))


def _health(filters: Filters, one: Container, context: Context) -> bool:
    return filters.exact("health", one.state.health.status if one.state.health else "none")


def _network(filters: Filters, one: Container, context: Context) -> bool:
    networks = one.network_settings.get("Networks") or {}
    ids = [settings.get("NetworkID") or "" for settings in networks.values()]
    if "network" not in filters or filters.exact("network", *networks):
        return True
    return any(filters.prefix("network", network) for network in ids if network)


def _volume(filters: Filters, one: Container, context: Context) -> bool:
    names = [name for mount in one.mounts for name in (mount.name, mount.destination) if name]
    return filters.exact("volume", *names)


def _ports(key: str) -> Rule:
    def rule(filters: Filters, one: Container, context: Context) -> bool:
        if key not in filters:
            return True
        if key == "publish":
            have = {
                f"{binding['HostPort']}/{port.partition('/')[2]}"
                for port, bindings in (one.network_settings.get("Ports") or {}).items()
                for binding in bindings or ()
            }
        else:
            have = set(one.network_settings.get("Ports") or ())
        wanted: set[str] = set()
        for value in filters.get(key):
            wanted |= port_range(value)
        return bool(have & wanted)

    return rule


def port_range(text: str) -> set[str]:
    """``8000-8010/udp`` → the ports one by one; InvalidParameter if malformed."""
    ports, _, proto = text.partition("/")
    first, dash, last = ports.partition("-")
    if not first.isdigit() or (dash and not last.isdigit()):
        raise InvalidParameter(f"invalid port specification: {text}")
    return {f"{port}/{proto or 'tcp'}" for port in range(int(first), int(last or first) + 1)}


def _is_task(filters: Filters, one: Container, context: Context) -> bool:
    return not filters.boolean("is-task")


def _isolation(filters: Filters, one: Container, context: Context) -> bool:
    return True  # a matter of Windows; elsewhere docker, too, lets all through


RULES: dict[str, Rule] = {
    "id": lambda filters, one, context: filters.prefix("id", one.id) or filters.match("id", one.id),
    "name": _name,
    "label": lambda filters, one, context: filters.labels(one.labels),
    "status": _status,
    "exited": _exited,
    "health": _health,
    "ancestor": lambda filters, one, context: (
        context.ancestors is None or one.image_id in context.ancestors or filters.exact("ancestor", one.image)
    ),
    "before": lambda filters, one, context: context.before is None or one.created < context.before,
    "since": lambda filters, one, context: context.since is None or one.created > context.since,
    "network": _network,
    "volume": _volume,
    "publish": _ports("publish"),
    "expose": _ports("expose"),
    "is-task": _is_task,
    "isolation": _isolation,
}

_STATES = frozenset(Status)


def check(filters: Filters) -> None:
    """InvalidParameter for an unknown key, status or health."""
    filters.validate(RULES)
    for state in filters.get("status"):
        if state not in _STATES:
            known = "created, dead, exited, paused, removing, restarting, running"
            raise InvalidParameter(f"invalid filter 'status={state}' (known: {known})")
    for health in filters.get("health"):
        if health not in ("starting", "healthy", "unhealthy", "none"):
            raise InvalidParameter(f"unrecognised filter value for health: {health}")


def selected(filters: Filters, containers: Iterable[Container], context: Context) -> list[Container]:
    """Those that every given filter lets through, in order."""
    rules = [RULES[key] for key in filters.keys()]  # noqa: SIM118
    return [one for one in containers if all(rule(filters, one, context) for rule in rules)]


def shows_stopped(filters: Filters) -> bool:
    """Whether a filter asks for containers that do not run, as `all` does."""
    return any(key in filters for key in ("status", "exited"))


def prunable(filters: Filters, one: Container, now: int) -> bool:
    """Whether prune may take it: not active, and let through by `until`, `label`, `label!`."""
    if one.active or one.state.status == Status.REMOVING:
        return False
    until = filters.get("until")
    if len(until) > 1:
        raise InvalidParameter("more than one until filter specified")
    if until and one.created >= timestamps.parse(until[0], at=now):
        return False
    return filters.labels(one.labels) and filters.labels(one.labels, "label!")
