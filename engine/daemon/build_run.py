"""The container of a RUN step: as any other, but without a record in the API.

rw layer, network, process: made when the ``async with`` begins; gone when it ends, whatever happened.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from engine.api.stdcopy import Decoder
from engine.build.copytree import CopyOptions, copy_into, opened
from engine.build.options import RunRequest
from engine.build.threads import undoable
from engine.container.environment import environment, merge_env
from engine.container.mounts import bind_mount
from engine.container.spec import SpecInputs, build_spec
from engine.container.users import Identity
from engine.daemon.engine import Engine
from engine.daemon.process import available_capabilities
from engine.daemon.rootfs import identity
from engine.driverapi.execution import Attachment, IOConfig
from engine.errdefs import DockyardError, InvalidParameter, StartFailure, SystemFailure
from engine.layer.confine import open_in_root
from engine.layer.store import Layer
from engine.network.model import HOST, ContainerNet, Sandbox

log = logging.getLogger(__name__)

_CHUNK = 1 << 16


class RunContainer:
    """engine.build.options.RunningStep. directory: of the build; this run's files lie in it."""

    def __init__(self, engine: Engine, request: RunRequest, directory: Path) -> None:
        self.id = secrets.token_hex(32)
        self._engine = engine
        self._request = request
        self._directory = directory / f"run-{self.id}"
        self._attachment: Attachment | None = None
        self._mounted = False
        self._running = False

    async def __aenter__(self) -> RunContainer:
        try:
            await self._start()
        except BaseException as exc:
            await self._clean()
            if isinstance(exc, OSError):
                raise SystemFailure(f"can't run the step: {exc}") from exc
            if isinstance(exc, StartFailure):
                # The step has no exit code: it never ran.
                raise InvalidParameter(str(exc)) from exc
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._clean()

    async def _start(self) -> None:
        engine = self._engine
        results = await asyncio.gather(
            engine.networks.attach(self._net()), asyncio.to_thread(self._prepare), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        place, prepared = results
        assert isinstance(place, Sandbox)
        assert isinstance(prepared, tuple)
        spec = self._spec(place, *prepared)
        self._running = True
        await engine.execution.create(self.id, spec, IOConfig(), self._directory)
        self._attachment = await engine.execution.attach(self.id, stdin=False, stdout=True, stderr=True)
        await engine.execution.start(self.id)

    def _net(self) -> ContainerNet:
        host = self._request.host_config
        return ContainerNet(
            id=self.id,
            name=f"build-{self.id[:12]}",
            hostname=self.id[:12],
            mode=self._request.network_mode or "default",
            extra_hosts=tuple(host.get("ExtraHosts") or ()),
        )

    def _prepare(self) -> tuple[Path, Identity, list[dict[str, Any]]]:
        """Root, user, and mounts that stand for the image's volumes. Blocks."""
        self._directory.mkdir(mode=0o711)
        self._engine.layers.create_rw(self.id, self._request.base)
        root = self._engine.layers.mount_rw(self.id)
        self._mounted = True
        config = self._request.config
        user = identity(root, config.get("User") or "", ())
        paths = sorted(config.get("Volumes") or ())
        return root, user, [self._volume(root, path, number) for number, path in enumerate(paths)]

    def _volume(self, root: Path, path: str, number: int) -> dict[str, Any]:
        """A copy of what the image has there: a step's changes below a VOLUME are not kept."""
        directory = self._directory / f"volume-{number}"
        directory.mkdir(mode=0o755)
        with opened(root) as source, opened(directory) as target:
            try:
                fd = open_in_root(source, path, os.O_PATH | os.O_DIRECTORY)
            except OSError:
                return bind_mount(str(directory), path)
            status = os.fstat(fd)
            os.close(fd)
            copy_into(source, path, target, "", CopyOptions())
            os.fchown(target, status.st_uid, status.st_gid)
            os.fchmod(target, stat.S_IMODE(status.st_mode))
        return bind_mount(str(directory), path)

    def _spec(
        self, place: Sandbox, root: Path, user: Identity, volumes: list[dict[str, Any]]
    ) -> dict[str, Any]:
        config, settings = self._request.config, self._engine.config
        hostname = os.uname().nodename if self._request.network_mode == HOST else self.id[:12]
        env = environment(config, hostname=hostname, tty=False, home=user.home)
        return build_spec(
            SpecInputs(
                container_id=self.id,
                config={key: config.get(key) for key in ("WorkingDir",)},
                host_config=self._request.host_config,
                rootfs=str(root),
                hostname=hostname,
                args=self._request.args,
                env=merge_env(env, self._request.env),
                user=user,
                netns=None if place.path is None else str(place.path),
                mounts=volumes,
                files={**self._files(place, hostname), **self._request.files},
                cgroup_parent=settings.cgroup_parent,
                available_caps=available_capabilities(),
                default_ulimits=[
                    {"Name": name, "Soft": soft, "Hard": hard}
                    for name, (soft, hard) in settings.default_ulimits.items()
                ],
            )
        )

    def _files(self, place: Sandbox, hostname: str) -> dict[str, str]:
        texts = {"hostname": f"{hostname}\n", "hosts": place.hosts, "resolv.conf": place.resolv_conf}
        for name, text in texts.items():
            (self._directory / name).write_text(text)
            (self._directory / name).chmod(0o644)
        return {f"/etc/{name}": str(self._directory / name) for name in texts}

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """See RunningStep."""
        assert self._attachment is not None
        decoder = Decoder()
        while chunk := await self._attachment.reader.read(_CHUNK):
            for frame in decoder.feed(chunk):
                yield frame

    async def finish(self) -> int:
        """See RunningStep."""
        status = await self._engine.execution.wait(self.id)
        await self._end_process()
        await asyncio.to_thread(self._unmount)
        return status.code

    async def commit(self) -> Layer:
        """See RunningStep."""
        layers = self._engine.layers
        return await undoable(
            lambda: layers.commit_rw(self.id, consume=True, hold=True),
            lambda layer: layers.release(layer.chain_id),
        )

    async def _end_process(self) -> None:
        """Kill what still runs, and take the network away."""
        if self._attachment is not None:
            self._attachment.close()
            self._attachment = None
        steps = [self._engine.networks.detach(self.id)]
        if self._running:
            self._running = False
            steps.append(self._engine.execution.delete(self.id))
        for result in await asyncio.gather(*steps, return_exceptions=True):
            if isinstance(result, BaseException):
                log.warning("cleaning up after build step %s: %s", self.id[:12], result)

    def _unmount(self) -> None:
        if self._mounted:
            self._mounted = False
            self._engine.layers.unmount_rw(self.id)

    async def _clean(self) -> None:
        """Remove all that is left. Never raises."""
        await self._end_process()
        try:
            await asyncio.to_thread(self._remove)
        except (DockyardError, OSError) as exc:
            log.warning("cleaning up after build step %s: %s", self.id[:12], exc)

    def _remove(self) -> None:
        self._unmount()
        self._engine.layers.remove_rw(self.id)
        shutil.rmtree(self._directory, ignore_errors=True)
