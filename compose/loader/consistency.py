"""What a schema can't say: references between parts, and attributes that exclude each other."""

from __future__ import annotations

from typing import Any

from compose.errors import FileInvalid, Path

Tree = dict[str, Any]


def check(tree: Tree) -> None:
    """Check a normalized tree of enabled services. Raises FileInvalid with the path."""
    for name, body in tree["services"].items():
        _service(name, body, tree)
    for key, sources in (
        ("secrets", ("file", "environment", "external")),
        ("configs", ("file", "environment", "content", "external")),
    ):
        for name, body in tree.get(key, {}).items():
            stated = [source for source in sources if body.get(source)]
            if len(stated) > 1:
                raise FileInvalid(
                    f"{' and '.join(stated)} attributes are mutually exclusive", path=(key, name)
                )
            if not stated:
                raise FileInvalid(f"must state one of {', '.join(sources)}", path=(key, name))
    cycle = find_cycle({name: list(body.get("depends_on") or ()) for name, body in tree["services"].items()})
    if cycle:
        raise FileInvalid(
            f"dependency cycle detected: {' -> '.join(cycle)}", path=("services", cycle[0], "depends_on")
        )


def _service(name: str, body: Tree, tree: Tree) -> None:
    path: Path = ("services", name)
    if not body.get("image") and not body.get("build") and not body.get("provider"):
        raise FileInvalid(
            "has neither an image nor a build context specified: invalid compose project", path=path
        )
    if body.get("network_mode") and body.get("networks"):
        raise FileInvalid(
            "declares mutually exclusive `network_mode` and `networks`: invalid compose project", path=path
        )
    _references(body, tree, path)
    scale = (body.get("deploy") or {}).get("replicas")
    if body.get("scale") is not None and scale is not None and body["scale"] != scale:
        raise FileInvalid("can't set distinct values on 'scale' and 'deploy.replicas'", path=path)
    count = body.get("scale") if body.get("scale") is not None else scale
    if body.get("container_name") and count is not None and count > 1:
        raise FileInvalid(
            f"can't be scaled to {count}: its container_name can be taken only once",
            path=(*path, "container_name"),
        )
    build = body.get("build") or {}
    if build.get("dockerfile") and build.get("dockerfile_inline"):
        raise FileInvalid(
            "declares mutually exclusive dockerfile and dockerfile_inline", path=(*path, "build")
        )


def _references(body: Tree, tree: Tree, path: Path) -> None:
    for network in body.get("networks") or ():
        if network not in tree["networks"]:
            raise FileInvalid(
                f"refers to undefined network {network}: invalid compose project",
                path=(*path, "networks", network),
            )
    for index, mount in enumerate(body.get("volumes") or ()):
        source = mount.get("source")
        if mount["type"] == "volume" and source and source not in tree["volumes"]:
            raise FileInvalid(
                f"refers to undefined volume {source}: invalid compose project",
                path=(*path, "volumes", index),
            )
    for key in ("secrets", "configs"):
        for index, reference in enumerate(body.get(key) or ()):
            if reference["source"] not in tree.get(key, {}):
                raise FileInvalid(
                    f"refers to undefined {key[:-1]} {reference['source']}: invalid compose project",
                    path=(*path, key, index),
                )
    for key in ("network_mode", "ipc", "pid"):
        value = body.get(key)
        if isinstance(value, str) and value.startswith("service:"):
            target = value.removeprefix("service:")
            if target not in tree["services"]:
                raise FileInvalid(f'refers to undefined service "{target}"', path=(*path, key))


def find_cycle(edges: dict[str, list[str]]) -> list[str]:
    """A cycle as the names along it, the first repeated at the end; empty if there is none."""
    done: set[str] = set()
    for start in edges:
        trail: list[str] = []
        pending: list[tuple[str, bool]] = [(start, False)]
        while pending:
            name, leaving = pending.pop()
            if leaving:
                trail.pop()
                done.add(name)
            elif name in trail:
                return [*trail[trail.index(name) :], name]
            elif name not in done:
                trail.append(name)
                pending.append((name, True))
                pending.extend((target, False) for target in reversed(edges.get(name, [])))
    return []
