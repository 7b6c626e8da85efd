"""Use cases that talk to registries: pull, push, log in, look at what is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.daemon.engine import Engine
from engine.image import login
from engine.image import pull as pulling
from engine.image import push as pushing
from engine.image import reference as grammar
from engine.image.distribution import Distribution
from engine.image.reference import Reference
from engine.registry.auth import Credentials
from engine.registry.endpoints import RegistryOptions

Progress = Callable[[dict[str, Any]], None]

_ROOM = "registries"


def transfers(engine: Engine) -> Distribution:
    """The engine's transfers, with the registry settings as they are now."""
    found: Distribution | None = engine.rooms.get(_ROOM)
    if found is None:
        found = engine.rooms[_ROOM] = Distribution(engine.images)
    found.options = RegistryOptions(engine.config.insecure_registries, engine.config.registry_mirrors)
    return found


def named(name: str, tag: str) -> Reference:
    """The API's `fromImage` and `tag`, which may be a digest; InvalidParameter for nonsense."""
    ref = grammar.parse(name)
    if not tag:
        return ref.with_default_tag()
    return ref.with_digest(tag) if ":" in tag else ref.with_tag(tag)


async def pull(
    engine: Engine, ref: Reference, credentials: Credentials, platform: str, progress: Progress
) -> str:
    """Pull one image; returns its id."""
    image_id = await pulling.pull(ref, credentials, platform, transfers(engine), progress)
    labels = engine.images.get(image_id).runtime_config.get("Labels") or {}
    engine.events.publish("image", "pull", ref.familiar, {**labels, "name": ref.familiar_name})
    return image_id


async def push(engine: Engine, ref: Reference, credentials: Credentials, progress: Progress) -> None:
    """Push a tag, or all of a repository."""
    await pushing.push(ref, credentials, transfers(engine), progress)
    engine.events.publish("image", "push", ref.familiar, {"name": ref.familiar_name})


async def log_in(engine: Engine, credentials: Credentials) -> dict[str, str]:
    """Whether a registry accepts the credentials: the body of POST /auth."""
    return await login.log_in(credentials, transfers(engine))


async def inspect(engine: Engine, name: str, credentials: Credentials) -> dict[str, Any]:
    """What a registry has under a name, without pulling it."""
    return await login.inspect_remote(name, credentials, transfers(engine))
