"""What a service's container gets as its environment: environment > env_file; null inherits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compose.errors import FileInvalid
from compose.loader.dotenv import read_dotenv


def resolve_environment(services: dict[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    """Services with env_file and label_file read into environment and labels, nulls looked up."""
    return {name: _service(name, body, variables) for name, body in services.items()}


def _service(name: str, body: dict[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    result = dict(body)
    if body.get("environment") or body.get("env_file"):
        values = _env_files(name, body, variables)
        for key, value in (body.get("environment") or {}).items():
            if value is None:
                # a name without a value is inherited from where compose runs, else from env_file, else unset
                value = variables.get(key, values.get(key))
            if value is not None:
                values[key] = value
        result["environment"] = values
        result.pop("env_file", None)
    if body.get("label_file"):
        labels: dict[str, str] = {}
        for path in body["label_file"]:
            labels.update(read_dotenv(Path(path), variables.get))
        result["labels"] = {**labels, **(body.get("labels") or {})}
        result.pop("label_file")
    args = (body.get("build") or {}).get("args")
    if args:
        known = {key: variables.get(key) if value is None else value for key, value in args.items()}
        result["build"] = {**body["build"], "args": known}
    return result


def _env_files(name: str, body: dict[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for index, entry in enumerate(body.get("env_file") or ()):
        path = Path(entry["path"])
        if not path.is_file():
            if not entry.get("required", True):
                continue
            raise FileInvalid(f"env file {path} not found", path=("services", name, "env_file", index))

        def lookup(key: str, known: dict[str, str] = values) -> str | None:
            return variables[key] if key in variables else known.get(key)

        values.update(read_dotenv(path, lookup, raw=entry.get("format") == "raw"))
    return values
