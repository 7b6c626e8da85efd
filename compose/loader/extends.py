"""`extends`: a service that starts from another, of the same file or of another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compose.errors import FileInvalid, Path
from compose.loader.merge import merge_service

Services = dict[str, Any]
OpenFile = Callable[[str], tuple[str, Services]]
"""Given the path in `extends.file`: the file's absolute path and its services, in canonical form."""


def apply_extends(services: Services, file: str, open_file: OpenFile, earlier: Services) -> Services:
    """All services with what they extend merged beneath them, and without the attribute itself.

    file: where `services` come from. earlier: services of the files before this one, for an
    override file whose service extends one of those. Raises FileInvalid for a service that
    doesn't exist and for a cycle.
    """
    return {name: _extended(name, services, file, open_file, earlier, ()) for name in services}


def _extended(
    name: str,
    services: Services,
    file: str,
    open_file: OpenFile,
    earlier: Services,
    chain: tuple[tuple[str, str], ...],
) -> Any:
    body = services[name]
    reference = body.get("extends")
    if not reference:
        return body
    path: Path = ("services", name, "extends")
    if (file, name) in chain:
        steps = " -> ".join(f"{service} in {where}" for where, service in (*chain, (file, name)))
        raise FileInvalid(f"is a circular reference: {steps}", path=path)
    chain = (*chain, (file, name))
    target = reference["service"]
    own = {key: value for key, value in body.items() if key != "extends"}
    if reference.get("file"):
        other_file, other = open_file(reference["file"])
        # a file's own services are the only ones it can extend
        base = _base(target, other, other_file, open_file, {}, chain, path)
    elif target in services:
        base = _base(target, services, file, open_file, earlier, chain, path)
    else:
        base = _base(target, earlier, file, open_file, {}, chain, path)
    return merge_service(base, own, name)


def _base(
    target: str,
    services: Services,
    file: str,
    open_file: OpenFile,
    earlier: Services,
    chain: tuple[tuple[str, str], ...],
    path: Path,
) -> Any:
    if target not in services:
        raise FileInvalid(f'names the service "{target}", which is not in {file}', path=path)
    return _extended(target, services, file, open_file, earlier, chain)
