"""Defaults that the format prescribes, applied once all documents are merged."""

from __future__ import annotations

from typing import Any

Tree = dict[str, Any]

_NAMESPACES = ("network_mode", "ipc", "pid", "uts", "cgroup")


def normalize(tree: Tree, project: str) -> Tree:
    """A merged tree with its implicit parts made explicit.

    Services get the default network, dependencies that follow from links, shared namespaces and
    volumes_from, and their build defaults; networks, volumes, secrets and configs get their name on
    the engine. Declared networks that no service uses are dropped.
    """
    services = {name: _service(body) for name, body in tree.get("services", {}).items()}
    networks = dict(tree.get("networks", {}))
    used = {network for body in services.values() for network in body.get("networks") or ()}
    if "default" in used:
        networks.setdefault("default", {})
    result = {
        **{key: value for key, value in tree.items() if key.startswith("x-")},
        "name": project,
        "services": services,
        "networks": {
            n: _named(body, n, project) for n, body in networks.items() if n in used or n != "default"
        },
        "volumes": {n: _named(body, n, project) for n, body in tree.get("volumes", {}).items()},
    }
    for key in ("secrets", "configs"):
        if tree.get(key):
            result[key] = {n: _named(body, n, project) for n, body in tree[key].items()}
    if tree.get("models"):
        result["models"] = tree["models"]
    return result


def _named(body: Tree, key: str, project: str) -> Tree:
    if body.get("name"):
        return body
    return {"name": key if body.get("external") else f"{project}_{key}", **body}


def _service(body: Tree) -> Tree:
    result = {
        key: value for key, value in body.items() if value is not None or key in ("command", "entrypoint")
    }
    for key in ("command", "entrypoint"):
        result.setdefault(key, None)
    if not result.get("network_mode") and not result.get("networks") and "provider" not in result:
        result["networks"] = {"default": None}
    dependencies = dict(result.get("depends_on") or {})
    for target, restart in _implied(result):
        dependencies.setdefault(target, _dependency(restart))
    if dependencies:
        result["depends_on"] = dependencies
    if "build" in result:
        build = result["build"]
        if "dockerfile_inline" not in build:
            build = {**build, "dockerfile": build.get("dockerfile") or "Dockerfile"}
        result["build"] = build
    return result


def _dependency(restart: bool) -> Tree:
    entry: Tree = {"condition": "service_started", "required": True}
    if restart:
        entry["restart"] = True
    return entry


def _implied(body: Tree) -> list[tuple[str, bool]]:
    """Services that this one needs without saying so in depends_on, and whether it restarts with them."""
    found = []
    for link in body.get("links") or ():
        found.append((link.partition(":")[0], True))
    for key in _NAMESPACES:
        value = body.get(key)
        if isinstance(value, str) and value.startswith("service:"):
            found.append((value.removeprefix("service:"), True))
    for source in body.get("volumes_from") or ():
        if not source.startswith("container:"):
            found.append((source.partition(":")[0], False))
    return found
