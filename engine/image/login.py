"""`docker login`, and what a registry says of an image without pulling it."""

from __future__ import annotations

import json
from typing import Any

from engine.errdefs import Unauthorized
from engine.image.distribution import Distribution
from engine.image.mediatypes import INDEXES, MANIFESTS
from engine.image.reference import Reference, parse
from engine.layer.hashing import HashingReader
from engine.registry.auth import ANONYMOUS, Credentials
from engine.registry.client import Repository
from engine.registry.errors import RegistryError, pull_error

_HUB = ("", "https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")


async def log_in(credentials: Credentials, ctx: Distribution) -> dict[str, str]:
    """The body of POST /auth. Unauthorized if the registry refuses, SystemFailure if it can't be reached."""
    server = credentials.server
    host = "docker.io" if server in _HUB else server.partition("://")[2] or server
    ref = Reference(host.partition("/")[0], "")

    async def work(repository: Repository) -> None:
        await repository.log_in()

    try:
        await ctx.reach(ref, credentials, "push", work)
    except RegistryError as exc:
        raise Unauthorized(f'Get "https://{ref.domain}/v2/": {exc}') from exc
    return {"Status": "Login Succeeded", "IdentityToken": ""}


async def inspect_remote(name: str, auth: Credentials | None, ctx: Distribution) -> dict[str, Any]:
    """The body of GET /distribution/{name}/json."""
    ref = parse(name).with_default_tag()

    async def work(repository: Repository) -> dict[str, Any]:
        accept = (*sorted(MANIFESTS), *sorted(INDEXES))
        found = await repository.manifest(ref.digest or ref.tag, accept)
        document = json.loads(found.raw)
        platforms: list[dict[str, Any]] = []
        if found.media_type in INDEXES:
            platforms = [entry["platform"] for entry in document.get("manifests", []) if "platform" in entry]
        else:
            raw = b""
            async for piece in repository.blob(document["config"]["digest"]):
                raw += piece
            config = json.loads(raw)
            platforms = [{key: config[key] for key in ("architecture", "os", "variant") if key in config}]
        digest = HashingReader.of(found.raw)
        descriptor = {"mediaType": found.media_type, "digest": digest, "size": len(found.raw)}
        return {"Descriptor": descriptor, "Platforms": platforms}

    try:
        return await ctx.reach(ref, auth or ANONYMOUS, "pull", work)
    except RegistryError as exc:
        raise pull_error(exc, ref.familiar_name, ref.familiar) from exc
