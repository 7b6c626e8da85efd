"""Doing a plan: stage by stage, step by step, each step an image on the one before.

    FROM ──> State, image
    metadata step   state changed                        ──┐
    ADD, COPY       rw layer, files copied ──> layer     ──┼─> look up by created_by ──> hit: that image
    RUN             rw layer, container run ──> layer    ──┘                             miss: do it, commit

A failing step leaves the images of the steps before it, which are the next build's cache, and nothing
else.
"""

from __future__ import annotations

import asyncio
import copy
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.build import copystep, remote, runstep
from engine.build.cache import Hit, Miss
from engine.build.copystep import Taken
from engine.build.copytree import follow, make_directories, opened
from engine.build.imageconfig import EMPTY_DIFF_ID, image_config
from engine.build.instructions import Instruction, interpret_line
from engine.build.metadata import METADATA, PREDEFINED, State, created_by, prepare, workdir
from engine.build.options import BuildOptions, RunFailed, RunRequest, Services
from engine.build.output import Output
from engine.build.planner import SCRATCH, Plan, Stage
from engine.build.sources import Source
from engine.build.stepcache import StepCache
from engine.build.threads import undoable
from engine.build.views import Views
from engine.container.timestamps import now, rfc3339nano
from engine.errdefs import InvalidParameter, NotFound, Unsupported
from engine.image import platform
from engine.image.store import Image
from engine.layer.store import Layer


@dataclass(slots=True)
class _Work:
    """A stage on its way. image: what stands so far, None on scratch. cached: whether all steps hit."""

    state: State
    image: Image | None = None
    cached: bool = True

    @property
    def chain_id(self) -> str | None:
        return self.image.chain_id if self.image else None


class Executor:
    """One build. Use as ``async with``: leaving it unmounts what was looked into."""

    def __init__(
        self, services: Services, options: BuildOptions, out: Output, context: Path, escape: str = "\\"
    ) -> None:
        self._services = services
        self._options = options
        self._out = out
        self._context = context
        self._escape = escape
        self._results: dict[int, Image | None] = {}
        self._cache = StepCache(services.images, options)
        self._views = Views(services.layers, services.scratch())
        self._used_args: set[str] = set()
        self._number = 0
        self._total = 0

    async def __aenter__(self) -> Executor:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._views.close)

    async def build(self, plan: Plan) -> Image:
        """Do all stages; the last one's image. Raises what the step raised, after telling where it was."""
        self._total = plan.total
        for instruction in plan.global_args:
            await self._title(instruction)
            self._used_args |= {word.partition("=")[0] for word in instruction.args}
        image: Image | None = None
        for stage in plan.stages:
            image = await self._stage(plan, stage)
            self._results[stage.index] = image
            if image is not None:
                await self._out.stage_done(image.id)
        if image is None:
            raise InvalidParameter("No image was generated. Is your Dockerfile empty?")
        unused = sorted(set(self._options.build_args) - self._used_args - PREDEFINED)
        if unused:
            await self._out.note(
                f"[Warning] One or more build-args {unused} were not consumed\n".replace("'", "")
            )
        return image

    async def _title(self, instruction: Instruction) -> None:
        self._number += 1
        await self._out.step(self._number, self._total, instruction.original)

    # Stages

    async def _stage(self, plan: Plan, stage: Stage) -> Image | None:
        await self._title(stage.origin)
        image = await self._base(stage)
        await self._out.image(image.id if image else "")
        state = State(
            config=prepare(copy.deepcopy(image.runtime_config) if image else None),
            escape=self._escape,
            author=str(image.config.get("author") or "") if image else "",
            given=self._options.build_args,
            inherited=plan.scope,
        )
        work = _Work(state, image)
        await self._triggers(plan, work)
        for step in stage.steps:
            await self._title(step)
            await self._step(plan, work, step)
        return work.image

    async def _base(self, stage: Stage) -> Image | None:
        if stage.base_stage is not None:
            return self._results[stage.base_stage]
        if stage.base == SCRATCH:
            return None
        wanted = stage.platform or self._options.platform
        if wanted:
            platform.parse(wanted)
        return await self._services.base(
            stage.base,
            wanted,
            pull=self._options.pull,
            progress=self._out.progress,
        )

    async def _triggers(self, plan: Plan, work: _Work) -> None:
        """What the base image wants done in images built on it."""
        triggers = work.state.config.pop("OnBuild", None) or []
        if not triggers:
            return
        await self._out.note(f"# Executing {len(triggers)} build trigger{'s' if len(triggers) > 1 else ''}\n")
        for text in triggers:
            await self._step(plan, work, interpret_line(text, escape=self._escape))

    # Steps

    async def _step(self, plan: Plan, work: _Work, step: Instruction) -> None:
        if step.name in ("ADD", "COPY"):
            await self._copy(plan, work, step)
        elif step.name == "RUN":
            await self._run(work, step)
        elif step.name == "WORKDIR":
            await self._workdir(work, step)
        else:
            if step.name == "ARG":
                self._used_args |= {word.partition("=")[0] for word in step.args}
            shell = State({"Shell": work.state.shell})
            line = METADATA[step.name](work.state, step)
            # A SHELL's own line is written in the new shell already, as docker has it.
            line = created_by(work.state if step.name == "SHELL" else shell, f" {line}")
            if not await self._hit(work, line):
                await self._commit(work, line, None)

    async def _hit(self, work: _Work, line: str) -> bool:
        """Look the step up; if it was done before, its image is what stands now."""
        found = self._cache.find(work.image, work.state, line)
        if isinstance(found, Miss):
            if work.cached:
                await self._out.missed(found.reason)
            work.cached = False
            return False
        await self._out.cached()
        if isinstance(found, Hit):
            await self._stands(work, self._services.images.get(found.image_id))
        else:
            await self._create(work, found.config)
        return True

    async def _commit(self, work: _Work, line: str, layer: Layer | None) -> None:
        """Make the step's image. `layer` is held for us and let go."""
        services = self._services
        added = None if layer is None or layer.diff_id == EMPTY_DIFF_ID else layer
        parent = work.image.config if work.image else None
        config = image_config(parent, work.state, line, rfc3339nano(now()), added)
        try:
            await self._create(work, config)
        finally:
            if layer is not None:
                await asyncio.to_thread(services.layers.release, layer.chain_id)

    async def _create(self, work: _Work, config: dict[str, Any]) -> None:
        """The image of `config`, on top of what stands, stands now."""
        parent = work.image.id if work.image else ""
        image = await asyncio.to_thread(self._services.images.create, copy.deepcopy(config), parent=parent)
        await self._stands(work, image)

    async def _stands(self, work: _Work, image: Image) -> None:
        work.image = image
        await self._out.image(image.id)

    async def _workdir(self, work: _Work, step: Instruction) -> None:
        shell = work.state.shell
        path = workdir(work.state, step)
        line = f"{' '.join(shell)} #(nop) WORKDIR {path}"
        if not await self._hit(work, line):
            layer = await self._written(work, lambda root: _make_workdir(root, path))
            await self._commit(work, line, layer)

    async def _copy(self, plan: Plan, work: _Work, step: Instruction) -> None:
        for flag in ("parents", "keep-git-dir", "unpack"):
            if flag in step.flags:
                raise Unsupported(f"the --{flag} option of {step.name} is not supported by this builder")
        root = await self._root_of(plan, work, step)
        scratch = self._services.scratch()
        fetched = await self._fetch(work, step)
        resolved = await asyncio.to_thread(copystep.resolve, step, work.state, root, scratch, fetched)
        described = await asyncio.to_thread(resolved.created_by)
        line = created_by(work.state, described)
        if not await self._hit(work, line):
            layer = await self._written(work, lambda target: copystep.perform(resolved, target))
            await self._commit(work, line, layer)

    async def _fetch(self, work: _Work, step: Instruction) -> dict[str, Taken]:
        """Fetch the sources of an ADD that are URLs."""
        found: dict[str, Taken] = {}
        checksum = work.state.expand(step.flags.get("checksum", ""))
        for number, word in enumerate(step.args[:-1] if step.name == "ADD" else ()):
            url = work.state.expand(word)
            if remote.is_remote(url):
                directory = self._services.scratch() / f"remote-{self._number}-{number}"
                directory.mkdir(exist_ok=True)
                name = await remote.fetch(url, directory, checksum=checksum)
                found[url] = Taken(directory, (Source(name, "file"),))
        if checksum and not found:
            raise InvalidParameter("ADD failed: --checksum can only be used with an http or https source")
        return found

    async def _root_of(self, plan: Plan, work: _Work, step: Instruction) -> Path:
        """Where a step copies from: the context, another stage, or an image."""
        reference = work.state.expand(step.flags.get("from", ""))
        if not reference:
            return self._context
        stage = plan.find(reference)
        if stage is not None and stage.index in self._results:
            image = self._results[stage.index]
        else:
            try:
                image = await self._services.base(reference, "", pull=False, progress=self._out.progress)
            except NotFound as exc:
                raise NotFound(f"invalid from flag value {reference}: {exc}") from exc
        return await asyncio.to_thread(self._views.root, image.chain_id if image else None)

    async def _written(self, work: _Work, write: Callable[[Path], None]) -> Layer:
        """A layer of what `write` does in a root on top of what stands; it is held for the caller."""
        layers = self._services.layers
        return await undoable(
            lambda: self._write(work.chain_id, write), lambda layer: layers.release(layer.chain_id)
        )

    def _write(self, chain_id: str | None, write: Callable[[Path], None]) -> Layer:
        layers, rw_id = self._services.layers, secrets.token_hex(32)
        layers.create_rw(rw_id, chain_id)
        try:
            write(layers.mount_rw(rw_id))
            layers.unmount_rw(rw_id)
            return layers.commit_rw(rw_id, consume=True, hold=True)
        except BaseException:
            layers.remove_rw(rw_id)
            raise

    async def _run(self, work: _Work, step: Instruction) -> None:
        runstep.check(step)
        if work.image is None:
            raise InvalidParameter("Please provide a source image with `from` prior to run")
        args, files = runstep.command_of(step, work.state, self._services.scratch())
        build_args = work.state.build_args()
        line = runstep.line_of(args, step, build_args)
        if await self._hit(work, line):
            return
        request = RunRequest(
            base=work.chain_id,
            config=work.state.config,
            args=args,
            env=[f"{name}={value}" for name, value in sorted(build_args.items())],
            network_mode=runstep.network_of(step, self._options.network_mode),
            host_config=self._options.host_config,
            files=files,
        )
        running = self._services.run(request)
        await self._out.running(running.id)
        async with running:
            async for stream, data in running.output():
                await self._out.printed(stream, data)
            code = await running.finish()
            if code:
                raise RunFailed(" ".join(args), code)
            layer = await running.commit()
        await self._out.removed(running.id)
        await self._commit(work, line, layer)


def _make_workdir(root: Path, path: str) -> None:
    with opened(root) as fd:
        make_directories(fd, follow(fd, path))
