"""Two documents in canonical form → one; the second overrides the first.

Mappings merge by key, scalars are replaced, lists are appended. `RULES` holds what differs, keyed
by path ("*" is any key).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from compose.errors import FileInvalid, Path
from compose.loader.ports import identity

Rule = Callable[[Any, Any, Path], Any]


def replace(_base: Any, override: Any, _path: Path) -> Any:
    """The later value alone."""
    return override


def by_key(base: Any, override: Any, _path: Path) -> Any:
    """Mappings of scalars where null means something ("inherit from the environment")."""
    return {**base, **override}


def unique(key: Callable[[Any], Hashable]) -> Rule:
    """Append; of items with the same key the later stands in the place of the earlier."""

    def rule(base: Any, override: Any, _path: Path) -> Any:
        items: dict[Hashable, Any] = {}
        for item in (*base, *override):
            items[key(item)] = item
        return list(items.values())

    return rule


def logging(base: Any, override: Any, path: Path) -> Any:
    """Options of one driver mean nothing to another."""
    if base.get("driver") and override.get("driver") and base["driver"] != override["driver"]:
        return override
    return _mapping(base, override, path)


def ipam_config(base: Any, override: Any, path: Path) -> Any:
    """Pools are the same when their subnets are."""
    pools = {pool.get("subnet"): pool for pool in base}
    for pool in override:
        known = pools.get(pool.get("subnet"))
        pools[pool.get("subnet")] = _mapping(known, pool, path) if known else pool
    return list(pools.values())


def _itself(item: Any) -> Hashable:
    return item if isinstance(item, Hashable) else repr(item)


def _target(item: dict[str, Any]) -> Hashable:
    return item.get("target") or item.get("source")


dedupe = unique(_itself)
_DEDUPED = (
    "dns", "dns_opt", "dns_search", "tmpfs", "links", "external_links", "cap_add", "cap_drop", "profiles",
    "expose", "extra_hosts", "group_add", "security_opt",
)  # fmt: skip

RULES: dict[tuple[str, ...], Rule] = {
    ("services", "*", "command"): replace,
    ("services", "*", "entrypoint"): replace,
    ("services", "*", "healthcheck", "test"): replace,
    ("services", "*", "ulimits", "*"): replace,
    ("services", "*", "environment"): by_key,
    ("services", "*", "build", "args"): by_key,
    ("services", "*", "build", "ulimits", "*"): replace,
    ("services", "*", "build", "extra_hosts"): dedupe,
    **{("services", "*", name): dedupe for name in _DEDUPED},
    ("services", "*", "networks", "*", "aliases"): dedupe,
    ("services", "*", "env_file"): unique(lambda item: item["path"]),
    ("services", "*", "volumes"): unique(_target),
    ("services", "*", "devices"): unique(_target),
    ("services", "*", "secrets"): unique(_target),
    ("services", "*", "configs"): unique(_target),
    ("services", "*", "ports"): unique(identity),
    ("services", "*", "logging"): logging,
    ("networks", "*", "ipam", "config"): ipam_config,
}
_DEPTHS = frozenset(len(path) for path in RULES)


def merge(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    """`base` overridden by `override`; neither is changed. Raises FileInvalid on a clash of types."""
    return dict(_mapping(base, override, ()))


def merge_service(base: dict[str, Any], override: dict[str, Any], name: str) -> dict[str, Any]:
    """The same for the body of one service (`extends`)."""
    return dict(_mapping(base, override, ("services", name)))


def _mapping(base: Any, override: Any, path: Path) -> Any:
    result = dict(base)
    for key, value in override.items():
        result[key] = _value(base[key], value, (*path, key)) if key in base else value
    return result


def _value(base: Any, override: Any, path: Path) -> Any:
    if base is None:
        return override
    if override is None:
        return base
    if isinstance(base, dict) != isinstance(override, dict) or isinstance(base, list) != isinstance(
        override, list
    ):
        if _rule(path) is replace:
            return override
        raise FileInvalid(f"cannot override {_kind(base)} with {_kind(override)}", path=path)
    rule = _rule(path)
    if rule:
        return rule(base, override, path)
    if isinstance(base, dict):
        return _mapping(base, override, path)
    if isinstance(base, list):
        return [*base, *override]
    return override


def _kind(value: Any) -> str:
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a scalar"


def _rule(path: Path) -> Rule | None:
    if len(path) not in _DEPTHS or path[0] not in ("services", "networks"):
        return None
    pattern = [str(part) for part in path]
    pattern[1] = "*"
    rule = RULES.get(tuple(pattern))
    if rule is None and len(path) > 3:
        rule = RULES.get((*pattern[:3], "*", *pattern[4:]))
        if rule is None and len(path) == 5:
            rule = RULES.get((*pattern[:4], "*"))
    return rule


def unicity(tree: dict[str, Any]) -> dict[str, Any]:
    """Lists that a single document repeats entries in, made unique by the same rules."""
    services = {}
    for name, body in tree.get("services", {}).items():
        changed = {}
        for key in ("ports", "volumes", *_DEDUPED):
            if len(body.get(key) or ()) > 1:
                changed[key] = RULES["services", "*", key]([], body[key], ())
        services[name] = {**body, **changed} if changed else body
    return {**tree, "services": services} if services else tree


def delete(tree: dict[str, Any], path: Path) -> dict[str, Any]:
    """`tree` without what stands at `path` (`!reset`, `!override`); unknown paths are fine."""
    if not path or path[0] not in tree:
        return tree
    key = str(path[0])
    if len(path) == 1:
        return {name: value for name, value in tree.items() if name != key}
    child = tree[key]
    return {**tree, key: delete(child, path[1:])} if isinstance(child, dict) else tree
