"""Which events a subscriber asked for: one rule a filter key.

Source: Engine API reference, "SystemEvents", parameter `filters`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from engine.api.filters import Filters


class Described(Protocol):
    """What the rules look at."""

    @property
    def type(self) -> str:
        """The kind of object."""
        ...

    @property
    def action(self) -> str:
        """What happened to it."""
        ...

    @property
    def actor_id(self) -> str:
        """Its id."""
        ...

    @property
    def attributes(self) -> Mapping[str, str]:
        """Its name, labels and particulars."""
        ...

    @property
    def scope(self) -> str:
        """local, or swarm."""
        ...


def _action(filters: Filters, event: Described) -> bool:
    # `exec_create: ls` and `health_status: healthy` are found by their first word too.
    return filters.exact("event", event.action, event.action.partition(":")[0])


def _object(kind: str) -> Callable[[Filters, Described], bool]:
    """An object of one kind, by id, id prefix or name."""

    def rule(filters: Filters, event: Described) -> bool:
        if event.type != kind:
            return False
        name = event.attributes.get("name", "")
        return filters.exact(kind, name) or filters.prefix(kind, event.actor_id)

    return rule


def _image(filters: Filters, event: Described) -> bool:
    """An image's own events by id or name with or without its tag, and those of its containers."""
    attribute = "name" if event.type == "image" else "image"
    name = event.attributes.get(attribute, "")
    names = (name, _without_tag(name), *((event.actor_id,) if event.type == "image" else ()))
    return filters.exact("image", *names)


def _without_tag(name: str) -> str:
    head, colon, tail = name.rpartition(":")
    return head if colon and "/" not in tail else name


RULES: dict[str, Callable[[Filters, Described], bool]] = {
    "type": lambda filters, event: filters.exact("type", event.type),
    "event": _action,
    "scope": lambda filters, event: filters.exact("scope", event.scope),
    "label": lambda filters, event: filters.labels(event.attributes),
    "container": _object("container"),
    "volume": _object("volume"),
    "network": _object("network"),
    "plugin": _object("plugin"),
    "daemon": _object("daemon"),
    "node": _object("node"),
    "service": _object("service"),
    "secret": _object("secret"),
    "config": _object("config"),
    "image": _image,
}


def matches(filters: Filters, event: Described) -> bool:
    """Whether every rule named by `filters` holds."""
    return all(RULES[key](filters, event) for key in filters.keys())  # noqa: SIM118
