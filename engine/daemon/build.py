"""Use cases: build an image from a Dockerfile and its context, stop a build, drop the build cache."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
from pathlib import Path
from typing import Any, BinaryIO

from engine.build import context, parser, planner
from engine.build.executor import Executor
from engine.build.imageconfig import predefined_args
from engine.build.options import BuildOptions
from engine.build.output import Output, Send
from engine.build.threads import undoable
from engine.daemon import images
from engine.daemon.build_services import EngineServices
from engine.daemon.engine import Engine
from engine.errdefs import DockyardError
from engine.image import reference as grammar
from engine.image import remove
from engine.image.store import Image

log = logging.getLogger(__name__)

_PREFIX, _RUN = "build-", "run-"
_ROOM = "builds"


async def build(engine: Engine, options: BuildOptions, body: BinaryIO, send: Send, build_id: str = "") -> str:
    """Build and tag; returns the image's id.

    body: the context archive, read while it arrives. build_id: the client's name for this build, for
    `cancel`. What is wrong with the Dockerfile is raised before the first message is sent. Cancelling
    the task stops the build; nothing stays but the images of steps that were complete.
    """
    names = [grammar.parse(tag).with_default_tag() for tag in options.tags]
    directory = engine.config.data_root / "tmp" / f"{_PREFIX}{secrets.token_hex(8)}"
    running: dict[str, asyncio.Task[Any]] = engine.rooms.setdefault(_ROOM, {})
    task = asyncio.current_task()
    if build_id and task is not None:
        running[build_id] = task
    try:
        await undoable(lambda: _receive(body, directory), lambda _: None)
        text = await asyncio.to_thread(context.dockerfile, directory / "context", options.dockerfile)
        out = Output(send, quiet=options.quiet)
        image = await _execute(engine, options, text, directory, out)
        for name in names:
            await asyncio.to_thread(engine.images.tag, image.id, name)
            images.tell(engine, "tag", image.id, name.familiar)
            await out.tagged(name.familiar)
        return image.id
    finally:
        running.pop(build_id, None)
        await asyncio.to_thread(shutil.rmtree, directory, True)


def _receive(body: BinaryIO, directory: Path) -> None:
    directory.mkdir(mode=0o711)
    (directory / "context").mkdir()
    context.receive(body, directory / "context")


async def _execute(engine: Engine, options: BuildOptions, text: str, directory: Path, out: Output) -> Image:
    dockerfile = parser.parse(text, options.dockerfile or context.DEFAULT_NAME)
    plan = planner.plan(
        dockerfile,
        target=options.target,
        build_args=options.build_args,
        predefined=predefined_args(options.platform),
        labels=options.labels,
    )
    for warning in dockerfile.warnings:
        await out.note(warning)
    services = EngineServices(engine, directory, options.registry_auth)
    async with Executor(services, options, out, directory / "context", dockerfile.escape) as executor:
        image = await executor.build(plan)
    await out.built(image.id)
    return image


def cancel(engine: Engine, build_id: str) -> None:
    """Stop the build that the client gave this id; an unknown one is no error."""
    task = engine.rooms.get(_ROOM, {}).get(build_id)
    if task is not None:
        task.cancel()


def prune(engine: Engine) -> tuple[list[str], int]:
    """Remove the images of build steps that no name leads to: their ids and the bytes freed. Blocks."""
    built = [image for image in engine.images.list() if image.parent]
    records, freed = remove.prune(engine.images, images.usage(engine), built, dangling_only=True)
    deleted = [record["Deleted"] for record in records if "Deleted" in record]
    for image_id in deleted:
        images.tell(engine, "delete", image_id, image_id)
    return deleted, freed


async def recover(engine: Engine) -> None:
    """When the daemon starts: remove what builds of the last one left. Blocks nobody; never raises."""
    known = {container.id for container in engine.containers.list()}
    for directory in (engine.config.data_root / "tmp").glob(f"{_PREFIX}*"):
        for run in directory.glob(f"{_RUN}*"):
            await _end_run(engine, run.name.removeprefix(_RUN), run)
        await asyncio.to_thread(shutil.rmtree, directory, True)
    for rw_id in engine.layers.list_rw():
        if rw_id not in known:
            await asyncio.to_thread(engine.layers.remove_rw, rw_id)


async def _end_run(engine: Engine, container_id: str, state_dir: Path) -> None:
    try:
        if await engine.execution.restore(container_id, state_dir) is not None:
            await engine.execution.delete(container_id)
        await engine.networks.detach(container_id)
    except DockyardError as exc:
        log.warning("a build step of the last daemon can't be cleaned up: %s", exc)
