"""Short syntaxes → the one long form that the rest of Compose reads.

A table says what each attribute becomes. Numbers and booleans that were text (they came from a
variable) get their type here. Nothing is defaulted: a document says only what its author said, so
that documents can still be merged.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from compose.errors import FileInvalid, Path
from compose.loader.mounts import canonical_mount
from compose.loader.ports import canonical_port
from compose.loader.units import format_duration, parse_size, scalar_text, to_bool, to_int, to_number

Rule = Callable[[Any], Any]


def key_values(value: Any) -> dict[str, str | None]:
    """``[A=1, B]`` or ``{A: 1, B: null}`` → ``{"A": "1", "B": None}``."""
    if isinstance(value, dict):
        return {key: None if item is None else scalar_text(item) for key, item in value.items()}
    result: dict[str, str | None] = {}
    for item in value or ():
        key, equals, text = str(item).partition("=")
        result[key] = text if equals else None
    return result


def labels(value: Any) -> dict[str, str]:
    """Like `key_values`; a label without a value is empty."""
    return {key: text or "" for key, text in key_values(value).items()}


def words(value: Any) -> list[str] | None:
    """A command: text is split as a shell would split it, null stays."""
    if value is None:
        return None
    if isinstance(value, str):
        return shlex.split(value)
    return [str(item) for item in value]


def as_list(value: Any) -> list[str]:
    """One string or several."""
    return [value] if isinstance(value, str) else [scalar_text(item) for item in value]


def hosts(value: Any) -> list[str]:
    """extra_hosts in any form → ``["name=address", …]``."""
    if isinstance(value, dict):
        pairs = [(name, [item] if isinstance(item, str) else item) for name, item in value.items()]
        return [f"{name}={address.strip('[]')}" for name, addresses in pairs for address in addresses]
    result = []
    for item in value:
        separator = "=" if "=" in item else ":"
        name, found, address = item.partition(separator)
        if not found or not name or not address:
            raise ValueError(f'"{item}" is no extra host (expected NAME=ADDRESS)')
        result.append(f"{name}={address.strip('[]')}")
    return result


def depends_on(value: Any) -> dict[str, dict[str, Any]]:
    """List or mapping → mapping with condition and required."""
    if isinstance(value, list):
        return {name: {"condition": "service_started", "required": True} for name in value}
    result = {}
    for name, item in value.items():
        entry = {**item, "required": to_bool(item.get("required", True))}
        if "restart" in entry:
            entry["restart"] = to_bool(entry["restart"])
        result[name] = entry
    return result


def service_networks(value: Any) -> dict[str, Any]:
    """List or mapping → mapping."""
    if isinstance(value, list):
        return dict.fromkeys(value)
    return {name: _options(item) for name, item in value.items()}


def _options(item: Any) -> Any:
    if isinstance(item, dict) and isinstance(item.get("driver_opts"), dict):
        return {**item, "driver_opts": labels(item["driver_opts"])}
    return item


def env_files(value: Any) -> list[dict[str, Any]]:
    """Path, list of paths or of mappings → list of mappings with path and required."""
    result = []
    for item in [value] if isinstance(value, str) else value:
        entry = {"path": item, "required": True} if isinstance(item, str) else {"required": True, **item}
        result.append({**entry, "required": to_bool(entry["required"])})
    return result


def file_references(value: Any) -> list[dict[str, Any]]:
    """secrets and configs of a service."""
    result = []
    for item in value:
        entry = {"source": item} if isinstance(item, str) else dict(item)
        if "mode" in entry:
            entry["mode"] = to_int(entry["mode"])
        result.append(entry)
    return result


def devices(value: Any) -> list[dict[str, str]]:
    """``SOURCE[:TARGET[:PERMISSIONS]]`` or mappings."""
    result = []
    for item in value:
        if isinstance(item, dict):
            source = item["source"]
            entry = {"target": source, "permissions": "rwm", **item}
        else:
            source, _, rest = item.partition(":")
            target, _, permissions = rest.partition(":")
            entry = {"source": source, "target": target or source, "permissions": permissions or "rwm"}
        result.append(entry)
    return result


def ulimits(value: Any) -> dict[str, Any]:
    """Numbers or soft and hard."""
    return {
        name: {key: to_int(limit) for key, limit in item.items()} if isinstance(item, dict) else to_int(item)
        for name, item in value.items()
    }


def healthcheck(value: dict[str, Any]) -> dict[str, Any]:
    """Test text means a shell command; durations in one form."""
    result = dict(value)
    test = result.get("test")
    if isinstance(test, str):
        result["test"] = ["CMD-SHELL", test]
    elif test is not None and (not test or test[0] not in ("NONE", "CMD", "CMD-SHELL")):
        raise ValueError('test must start with "NONE", "CMD" or "CMD-SHELL" when it is a list')
    durations = dict.fromkeys(("interval", "timeout", "start_period", "start_interval"), format_duration)
    return _typed(result, {**durations, "retries": to_int, "disable": to_bool})


def build(value: Any) -> dict[str, Any]:
    """A context alone, or the mapping."""
    if isinstance(value, str):
        return {"context": value}
    return _typed(value, _BUILD)


def networks_or_volumes(value: Any) -> dict[str, Any]:
    """A network, volume, secret or config at the top level."""
    result = _typed(value or {}, _TOP)
    external = result.get("external")
    if isinstance(external, dict):
        result["external"] = True
        result.setdefault("name", external.get("name", ""))
    elif external is not None:
        result["external"] = to_bool(external)
    return result


def deploy(value: Any) -> dict[str, Any]:
    """Typed replicas and resources."""
    result = _typed(value or {}, {"replicas": to_int, "labels": labels})
    if isinstance(result.get("resources"), dict):
        resources = {}
        for name, limits in result["resources"].items():
            resources[name] = _typed(limits, {"memory": parse_size, "pids": to_int, "cpus": scalar_text})
        result["resources"] = resources
    return result


def logging(value: dict[str, Any]) -> dict[str, Any]:
    """Options as text."""
    return {**value, "options": labels(value["options"])} if value.get("options") else dict(value)


def extends(value: Any) -> dict[str, Any]:
    """A service of the same file, or the mapping."""
    return {"service": value} if isinstance(value, str) else dict(value)


def _each(rule: Rule, values: list[Any]) -> list[Any]:
    """A rule for every item of a list; errors name the index."""
    result = []
    for index, item in enumerate(values):
        try:
            result.append(rule(item))
        except ValueError as exc:
            raise FileInvalid(str(exc), path=(index,)) from exc
    return result


def _typed(value: dict[str, Any], table: dict[str, Rule]) -> dict[str, Any]:
    result = {}
    for key, item in value.items():
        rule = table.get(key)
        try:
            result[key] = rule(item) if rule and item is not None else item
        except FileInvalid as exc:
            raise FileInvalid(exc.problem, path=(key, *exc.path)) from exc
        except ValueError as exc:
            raise FileInvalid(str(exc), path=(key,)) from exc
    return result


_BUILD: dict[str, Rule] = {
    "args": key_values,
    "labels": labels,
    "additional_contexts": labels,
    "extra_hosts": hosts,
    "no_cache": to_bool,
    "privileged": to_bool,
    "pull": to_bool,
    "shm_size": parse_size,
    "ulimits": ulimits,
    "secrets": file_references,
    "no_cache_filter": as_list,
}

_TOP: dict[str, Rule] = {
    "labels": labels,
    "driver_opts": labels,
    "internal": to_bool,
    "attachable": to_bool,
    "enable_ipv4": to_bool,
    "enable_ipv6": to_bool,
}

SERVICE: dict[str, Rule] = {
    **dict.fromkeys(
        (
            "attach", "init", "oom_kill_disable", "privileged", "read_only", "stdin_open", "tty",
            "use_api_socket",
        ),
        to_bool,
    ),
    **dict.fromkeys(
        (
            "cpu_count", "cpu_period", "cpu_quota", "cpu_shares", "mem_swappiness", "oom_score_adj",
            "pids_limit", "scale",
        ),
        to_int,
    ),
    **dict.fromkeys(("mem_limit", "mem_reservation", "memswap_limit", "shm_size"), parse_size),
    **dict.fromkeys(("dns", "dns_search", "tmpfs", "label_file", "expose", "group_add"), as_list),
    **dict.fromkeys(("labels", "annotations", "sysctls"), labels),
    **dict.fromkeys(("command", "entrypoint"), words),
    **dict.fromkeys(("secrets", "configs"), file_references),
    "build": build,
    "cpus": to_number,
    "cpu_percent": to_number,
    "depends_on": depends_on,
    "deploy": deploy,
    "devices": devices,
    "env_file": env_files,
    "environment": key_values,
    "extends": extends,
    "extra_hosts": hosts,
    "healthcheck": healthcheck,
    "logging": logging,
    "networks": service_networks,
    "ports": lambda value: [port for ports in _each(canonical_port, value) for port in ports],
    "stop_grace_period": format_duration,
    "ulimits": ulimits,
    "volumes": lambda value: _each(canonical_mount, value),
}  # fmt: skip

TOP: dict[str, Rule] = dict.fromkeys(("networks", "volumes", "secrets", "configs"), networks_or_volumes)


def canonical(tree: dict[str, Any]) -> dict[str, Any]:
    """A validated document in canonical form. Raises FileInvalid with the path, not yet the line."""
    result: dict[str, Any] = {}
    for key, value in tree.items():
        if key == "services":
            result[key] = {
                name: _at(("services", name), _service, body) for name, body in (value or {}).items()
            }
        elif key in TOP:
            result[key] = {name: _at((key, name), TOP[key], body) for name, body in (value or {}).items()}
        elif key == "include":
            result[key] = [_include(item) for item in value]
        elif key != "version":
            result[key] = value
    return result


def _service(body: dict[str, Any]) -> dict[str, Any]:
    return _typed(body, SERVICE)


def _include(item: Any) -> dict[str, Any]:
    entry = {"path": item} if isinstance(item, str) else dict(item)
    for key in ("path", "env_file"):
        if key in entry:
            entry[key] = as_list(entry[key])
    return entry


def _at(path: Path, rule: Rule, value: Any) -> Any:
    try:
        return rule(value)
    except FileInvalid as exc:
        raise FileInvalid(exc.problem, path=(*path, *exc.path)) from exc
