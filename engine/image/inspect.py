"""Images in the API's shapes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from engine.image.store import Image, ImageStore

_CONFIG_DEFAULTS: dict[str, Any] = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}


def inspect(store: ImageStore, image: Image, *, driver: str = "") -> dict[str, Any]:
    """The body of GET /images/{name}/json. driver: the graph driver's name."""
    config = image.config
    body: dict[str, Any] = {
        "Id": image.id,
        "RepoTags": store.repo_tags(image.id),
        "RepoDigests": store.repo_digests(image.id),
        "Parent": image.parent,
        "Comment": _last_comment(config),
        "Created": image.created,
        "DockerVersion": config.get("docker_version", ""),
        "Author": config.get("author", ""),
        "Config": {**_CONFIG_DEFAULTS, **image.runtime_config},
        "Architecture": config.get("architecture", ""),
        "Os": config.get("os", ""),
        "Size": image.size,
        "VirtualSize": image.size,
        "GraphDriver": {
            "Name": driver,
            "Data": store.layers.metadata(image.chain_id) if image.chain_id else None,
        },
        "RootFS": {"Type": "layers", "Layers": image.diff_ids},
        "Metadata": {"LastTagTime": rfc3339(store.tagged_at(image.id))},
    }
    if variant := config.get("variant"):
        body["Variant"] = variant
    return body


def _last_comment(config: dict[str, Any]) -> str:
    if config.get("comment"):
        return str(config["comment"])
    history = config.get("history") or []
    return str(history[-1].get("comment", "")) if history else ""


def summary(store: ImageStore, image: Image) -> dict[str, Any]:
    """One element of GET /images/json."""
    digests = store.repo_digests(image.id)
    return {
        "Id": image.id,
        "ParentId": image.parent,
        "RepoTags": store.repo_tags(image.id),
        "RepoDigests": digests,
        "Created": int(seconds(image.created)),
        "Size": image.size,
        "VirtualSize": image.size,
        "SharedSize": -1,
        "Labels": image.runtime_config.get("Labels"),
        "Containers": -1,
    }


def history(store: ImageStore, image: Image) -> list[dict[str, Any]]:
    """The body of GET /images/{name}/history, newest first."""
    sizes: list[int] = []
    chain = image.chain_id
    while chain:
        layer = store.layers.get(chain)
        sizes.append(layer.size)
        chain = layer.parent
    sizes.reverse()
    steps = []
    for entry in image.config.get("history") or []:
        size = 0 if entry.get("empty_layer") or not sizes else sizes.pop(0)
        steps.append(
            {
                "Id": "<missing>",
                "Created": int(seconds(entry.get("created") or "")),
                "CreatedBy": entry.get("created_by", ""),
                "Tags": None,
                "Size": size,
                "Comment": entry.get("comment", ""),
            }
        )
    steps.reverse()
    current: Image | None = image
    for step in steps:
        if current is None:
            break
        step["Id"] = current.id
        step["Tags"] = store.repo_tags(current.id) or None
        current = store.get(current.parent) if current.parent and store.has(current.parent) else None
    return steps


def seconds(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time; docker's zero time for "" and nonsense."""
    try:
        whole, _, rest = text.partition(".")
        digits = len(rest) - len(rest.lstrip("0123456789"))
        zone = rest[digits:] if rest else ""
        moment = datetime.fromisoformat(f"{whole}{zone}" if rest else text)
        fraction = int(rest[:digits]) / 10**digits if digits else 0.0
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() + fraction
    except ValueError:
        return -62135596800.0


def rfc3339(when: float) -> str:
    """A time as docker writes it; its zero time for 0."""
    if not when:
        return "0001-01-01T00:00:00Z"
    moment = datetime.fromtimestamp(when, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
