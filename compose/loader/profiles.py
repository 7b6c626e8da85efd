"""Which services take part: profiles, services named on the command line, and what those need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from compose.errors import FileInvalid, NoSuchService

Services = dict[str, Any]


def is_enabled(body: dict[str, Any], profiles: Iterable[str]) -> bool:
    """A service without profiles always is; else one must be active ("*" is all)."""
    wanted = body.get("profiles") or ()
    active = set(profiles)
    return not wanted or "*" in active or bool(active.intersection(wanted))


def split_by_profile(
    services: Services, profiles: Iterable[str], named: Iterable[str] = ()
) -> tuple[Services, Services]:
    """Enabled and disabled services. A service that was named enables its own profiles.

    Raises NoSuchService.
    """
    active = set(profiles)
    for name in named:
        if name not in services:
            raise NoSuchService(name)
        if not is_enabled(services[name], active):
            active.update(services[name].get("profiles") or ())
    enabled = {name: body for name, body in services.items() if is_enabled(body, active)}
    disabled = {name: body for name, body in services.items() if name not in enabled}
    return enabled, disabled


def drop_optional(enabled: Services, disabled: Services) -> Services:
    """`enabled` without their optional dependencies on services that are absent.

    Raises FileInvalid if a dependency that isn't optional is disabled or doesn't exist.
    """
    result = {}
    for name, body in enabled.items():
        dependencies = body.get("depends_on") or {}
        kept = {}
        for target, condition in dependencies.items():
            if target in enabled:
                kept[target] = condition
            elif not condition.get("required", True):
                continue
            elif target in disabled:
                wanted = ", ".join(disabled[target].get("profiles") or ())
                raise FileInvalid(
                    f'depends on "{target}", which is disabled: enable it with --profile ({wanted})',
                    path=("services", name, "depends_on", target),
                )
            else:
                raise FileInvalid(
                    f'depends on undefined service "{target}"', path=("services", name, "depends_on", target)
                )
        result[name] = {**body, "depends_on": kept} if dependencies else body
    return result


def with_dependencies(services: Services, named: Iterable[str]) -> list[str]:
    """The named services and all they depend on, in the order of `services`."""
    pending, found = list(named), set()
    while pending:
        name = pending.pop()
        if name in found:
            continue
        if name not in services:
            raise NoSuchService(name)
        found.add(name)
        pending.extend(services[name].get("depends_on") or ())
    return [name for name in services if name in found]
