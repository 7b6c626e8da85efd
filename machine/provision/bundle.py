"""Dockyard and all it imports as one archive, so that a host needs no package index.

The archive holds the installed files of this very installation: Dockyard's own packages and the
distributions it requires. It therefore fits hosts with the same machine type and Python version as
here; `fits` says whether it does. Nothing is copied but what the metadata of each distribution lists.
"""

from __future__ import annotations

import io
import platform
import sys
import tarfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from engine.errdefs import SystemFailure
from machine.provision.facts import Facts

PACKAGES = ("engine", "drivers", "scheduler", "swarm", "machine", "compose")
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


def fits(facts: Facts) -> bool:
    """Whether the bundle made here runs on that host."""
    return facts.machine == platform.machine() and facts.python == PYTHON


def _closure(name: str, seen: dict[str, Distribution]) -> None:
    if name.lower() in seen:
        return
    try:
        found = distribution(name)
    except PackageNotFoundError as exc:
        raise SystemFailure(
            f"the installation here is incomplete: {name} is missing (reinstall dockyard)"
        ) from exc
    seen[name.lower()] = found
    for text in found.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            _closure(requirement.name, seen)


def _own_files() -> Iterator[tuple[Path, str]]:
    for package in PACKAGES:
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise SystemFailure(f"the package {package} is not installed here")
        root = Path(next(iter(spec.submodule_search_locations)))
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path, f"{package}/{path.relative_to(root)}"


def _required_files() -> Iterator[tuple[Path, str]]:
    found: dict[str, Distribution] = {}
    _closure("dockyard", found)
    del found["dockyard"]  # its files are in `_own_files`, also where it is installed as editable
    for dist in found.values():
        for file in dist.files or ():
            name = str(file)
            if name.startswith("..") or "__pycache__" in name:
                continue  # scripts and byte code: neither is needed there
            path = Path(str(dist.locate_file(file)))
            if path.is_file():
                yield path, name


def build() -> bytes:
    """The archive, gzipped; paths are relative to a directory on sys.path."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for path, name in (*_own_files(), *_required_files()):
            info = tar.gettarinfo(path, name)
            info.uid = info.gid = 0
            info.uname = info.gname = "root"
            with path.open("rb") as file:
                tar.addfile(info, file)
    return buffer.getvalue()
