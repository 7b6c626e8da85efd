"""Pulling and building images."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from compose import labels
from compose.errors import ComposeError
from compose.execute.context import archive
from compose.execute.executor import Action
from compose.execute.progress import Reporter
from compose.loader.paths import is_remote
from compose.loader.units import parse_size
from compose.model import Project
from compose.plan.operations import Kind, Operation
from engine.client import DockerClient
from engine.errdefs import DockyardError

CHUNK = 256 * 1024


class BuildFailed(ComposeError):
    """The engine couldn't build an image."""

    exit_code = 17


class PullFailed(ComposeError):
    """The engine couldn't pull an image."""

    exit_code = 18


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """Of `build`, beyond what the file says."""

    no_cache: bool = False
    pull: bool = False
    args: Mapping[str, str | None] | None = None
    quiet: bool = False
    memory: int = 0


class ImageActions:
    """PULL_IMAGE and BUILD_IMAGE. On a cluster an image is built on every node, since nodes don't
    share images and a container may be placed on any of them."""

    def __init__(
        self,
        client: DockerClient,
        project: Project,
        reporter: Reporter,
        nodes: tuple[str, ...] = (),
        options: BuildOptions = BuildOptions(),
    ) -> None:
        self.client, self.project, self.reporter = client, project, reporter
        self.nodes, self.options = nodes, options

    def table(self) -> Mapping[Kind, Action]:
        """For `execute`."""
        return {Kind.PULL_IMAGE: self.pull, Kind.BUILD_IMAGE: self.build}

    async def pull(self, operation: Operation) -> str | None:
        """POST /images/create."""
        name, tag = split_reference(operation.target)
        body = self.project.services[operation.service]
        params = {"fromImage": name, "tag": tag, "platform": body.get("platform")}
        headers = {"X-Registry-Auth": registry_auth(operation.target)}
        try:
            async for line in self.client.stream("POST", "/images/create", params=params, headers=headers):
                _raise_on_error(line, PullFailed)
        except PullFailed:
            raise
        except DockyardError as exc:
            raise PullFailed(f"Error response from daemon: {exc}") from exc
        return None

    async def build(self, operation: Operation) -> str | None:
        """POST /build, once or on each node."""
        service = operation.service
        build = self.project.services[service]["build"]
        context = build.get("context", ".")
        params = build_params(self.project, service, self.options)
        for node in self.nodes or ("",):
            # the manager reads constraints from build arguments named so, see its reference
            arguments = (
                {**params["buildargs"], "constraint:node": f"={node}"} if node else params["buildargs"]
            )
            sent = {**params, "buildargs": arguments}
            if is_remote(context):
                await self._send({**sent, "remote": context}, None)
                continue
            dockerfile = build.get("dockerfile", "Dockerfile")
            inline = build.get("dockerfile_inline")
            try:
                source, name = await asyncio.to_thread(archive, Path(context), dockerfile, inline)
            except ComposeError as exc:
                raise BuildFailed(str(exc)) from exc
            with source:
                await self._send({**sent, "dockerfile": name}, source)
        return None

    async def _send(self, params: dict[str, Any], source: IO[bytes] | None) -> None:
        body = _chunks(source) if source else b""
        headers = {"Content-Type": "application/x-tar"}
        try:
            async for line in self.client.stream("POST", "/build", params=params, data=body, headers=headers):
                _raise_on_error(line, BuildFailed)
                text = line.get("stream", "")
                if text.strip() and not self.options.quiet:
                    self.reporter.line(text.rstrip("\n"))
        except BuildFailed:
            raise
        except DockyardError as exc:
            raise BuildFailed(f"Error response from daemon: {exc}") from exc


async def _chunks(source: IO[bytes]) -> Any:
    while chunk := await asyncio.to_thread(source.read, CHUNK):
        yield chunk


def _raise_on_error(line: Any, error: Callable[[str], ComposeError]) -> None:
    if isinstance(line, dict) and ("error" in line or "errorDetail" in line):
        raise error(str(line.get("error") or (line.get("errorDetail") or {}).get("message")))


def build_params(project: Project, service: str, options: BuildOptions) -> dict[str, Any]:
    """The query of POST /build for a service; `buildargs` and `labels` are still mappings."""
    build = project.services[service]["build"]
    arguments = {**(build.get("args") or {}), **(options.args or {})}
    image = project.image_of(service)
    return {
        "t": [image, *build.get("tags", ())],
        "buildargs": arguments,
        "labels": {
            **(build.get("labels") or {}),
            labels.PROJECT: project.name,
            labels.SERVICE: service,
            labels.VERSION: labels.OUR_VERSION,
        },
        "target": build.get("target"),
        "nocache": True if options.no_cache or build.get("no_cache") else None,
        "pull": True if options.pull or build.get("pull") else None,
        "networkmode": build.get("network"),
        "shmsize": parse_size(build["shm_size"]) if build.get("shm_size") else None,
        "extrahosts": ",".join(h.replace("=", ":", 1) for h in build.get("extra_hosts", ())) or None,
        "cachefrom": json.dumps(build["cache_from"]) if build.get("cache_from") else None,
        "memory": options.memory or None,
        "rm": True,
        "forcerm": True,
        "q": True if options.quiet else None,
    }


def split_reference(reference: str) -> tuple[str, str]:
    """Name and tag or digest; the tag defaults to latest."""
    name, at, digest = reference.partition("@")
    if at:
        return name, digest
    head, colon, tag = reference.rpartition(":")
    if colon and "/" not in tag:
        return head, tag
    return reference, "latest"


def registry_auth(reference: str) -> str:
    """The X-Registry-Auth header from docker's config.json: base64 (URL-safe) of a JSON object."""
    host = reference.partition("/")[0]
    if "/" not in reference or not ("." in host or ":" in host or host == "localhost"):
        host = "https://index.docker.io/v1/"
    directory = os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
    try:
        config = json.loads((Path(directory) / "config.json").read_text(encoding="utf-8"))
        entry = (config.get("auths") or {}).get(host) or {}
        decoded = base64.b64decode(entry.get("auth", "")).decode()
    except (OSError, ValueError):
        entry, decoded = {}, ""
    user, _, password = decoded.partition(":")
    auth = {"username": user, "password": password, "serveraddress": host} if user else {}
    if entry.get("identitytoken"):
        auth["identitytoken"] = entry["identitytoken"]
    return base64.urlsafe_b64encode(json.dumps(auth).encode()).decode()
