"""What each kind of operation does on the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from compose import labels
from compose.convert.container import CreateRequest, Surroundings, create_request
from compose.convert.mounts import anonymous_volumes
from compose.convert.networking import network_request
from compose.errors import OperationFailed
from compose.execute.events import ProjectEvents
from compose.execute.executor import Action
from compose.execute.files import copied_files
from compose.execute.waiting import wait_until
from compose.model import Project
from compose.plan.operations import Kind, Operation
from compose.plan.state import Observed, familiar
from engine.client import DockerClient
from engine.errdefs import Conflict, DockyardError, NotFound, NotModified


def container_path(container: str, verb: str = "") -> str:
    """The API's path of a container, or of something to be done to it."""
    return f"/containers/{quote(container, safe='')}" + (f"/{verb}" if verb else "")


class ContainerActions:
    """Those that need nothing but the container's id: stop, kill, restart, start, remove."""

    def __init__(self, client: DockerClient) -> None:
        self.client = client

    def table(self) -> Mapping[Kind, Action]:
        """For `execute`."""
        return {
            Kind.STOP: self.stop,
            Kind.KILL: self.kill,
            Kind.RESTART: self.restart,
            Kind.START: self.start,
            Kind.REMOVE: self.remove,
            Kind.REMOVE_NETWORK: self.remove_network,
            Kind.REMOVE_VOLUME: self.remove_volume,
            Kind.REMOVE_IMAGE: self.remove_image,
        }

    def container_of(self, operation: Operation) -> str:
        """The id of the container that an operation is about."""
        return str(operation.details["container"])

    async def _post(self, container: str, verb: str, **params: Any) -> None:
        try:
            await self.client.json("POST", container_path(container, verb), params=params)
        except NotModified:
            pass  # it already is what was asked for

    async def stop(self, operation: Operation) -> str | None:
        """POST stop; a container that is gone is stopped."""
        try:
            await self._post(self.container_of(operation), "stop", t=operation.details.get("timeout"))
        except NotFound:
            return None
        return None

    async def kill(self, operation: Operation) -> str | None:
        """POST kill with the signal; one that has ended meanwhile is fine."""
        try:
            await self._post(self.container_of(operation), "kill", signal=operation.details.get("signal"))
        except (Conflict, NotFound):
            return None
        return None

    async def restart(self, operation: Operation) -> str | None:
        """POST restart."""
        await self._post(self.container_of(operation), "restart", t=operation.details.get("timeout"))
        return None

    async def start(self, operation: Operation) -> str | None:
        """POST start."""
        await self._post(self.container_of(operation), "start")
        return None

    async def remove(self, operation: Operation) -> str | None:
        """DELETE, by force: it was stopped before, but may have been restarted by its policy."""
        params = {"force": True, "v": bool(operation.details.get("volumes"))}
        try:
            await self.client.json("DELETE", container_path(self.container_of(operation)), params=params)
        except NotFound:
            return None
        except Conflict as exc:
            if "already in progress" not in str(exc):
                raise
            await self.client.json("POST", container_path(self.container_of(operation), "wait"))
        return None

    async def remove_network(self, operation: Operation) -> str | None:
        """DELETE; one that others still use is left."""
        try:
            await self.client.json("DELETE", f"/networks/{operation.details['network']}")
        except NotFound:
            return None
        except DockyardError as exc:
            if "active endpoints" not in str(exc):
                raise
            return "Resource is still in use"
        return None

    async def remove_volume(self, operation: Operation) -> str | None:
        """DELETE; one that others still use is left."""
        try:
            await self.client.json("DELETE", f"/volumes/{quote(operation.target, safe='')}")
        except NotFound:
            return None
        except Conflict:
            return "Resource is still in use"
        return None

    async def remove_image(self, operation: Operation) -> str | None:
        """DELETE; one that others still use is left."""
        try:
            await self.client.json("DELETE", f"/images/{operation.target}")
        except NotFound:
            return None
        except Conflict:
            return "Resource is still in use"
        return None


class ProjectActions(ContainerActions):
    """All kinds, for a project whose files are loaded."""

    def __init__(
        self, client: DockerClient, project: Project, observed: Observed, events: ProjectEvents
    ) -> None:
        super().__init__(client)
        self.project, self.observed, self.events = project, observed, events
        self.local = client.endpoint.scheme == "unix" and not observed.nodes
        self.created: dict[str, str] = {}
        self.current: dict[str, dict[str, str]] = {}
        for container in observed.containers:
            if not container.oneoff:
                self.current.setdefault(container.service, {})[container.name] = container.id

    def table(self) -> Mapping[Kind, Action]:
        """For `execute`."""
        return {
            **super().table(),
            Kind.CREATE_NETWORK: self.create_network,
            Kind.CREATE_VOLUME: self.create_volume,
            Kind.CREATE: self.create,
            Kind.RENAME: self.rename,
            Kind.WAIT: self.wait,
        }

    def container_of(self, operation: Operation) -> str:
        """Of a container that this plan made, if the operation doesn't name one."""
        given = str(operation.details.get("container") or "")
        return given or self.current[operation.service][operation.target]

    async def create_network(self, operation: Operation) -> str | None:
        """POST /networks/create; the target may name the node of a cluster."""
        key = operation.details["network"]
        own = {
            labels.PROJECT: self.project.name,
            labels.NETWORK: key,
            labels.VERSION: labels.OUR_VERSION,
        }
        request = {**network_request(self.project, key, own), "Name": operation.target}
        await self.client.json("POST", "/networks/create", json=request)
        return None

    async def create_volume(self, operation: Operation) -> str | None:
        """POST /volumes/create."""
        key = operation.details["volume"]
        volume = self.project.volumes[key]
        own = {labels.PROJECT: self.project.name, labels.VOLUME: key, labels.VERSION: labels.OUR_VERSION}
        request = {
            "Name": volume["name"],
            "Driver": volume.get("driver") or "local",
            "DriverOpts": volume.get("driver_opts") or {},
            "Labels": {**(volume.get("labels") or {}), **own},
        }
        await self.client.json("POST", "/volumes/create", json=request)
        return None

    def around(self, service: str, details: Mapping[str, Any]) -> Surroundings:
        """What the configuration of a new container needs to know."""
        ids = self.observed.images.get(familiar(self.project.image_of(service)), frozenset())
        inherited: dict[str, str] = {}
        node = ""
        replaced = details.get("replaces")
        if replaced:
            old = next(c for c in self.observed.containers if c.id == replaced)
            node = old.node if old.volumes else ""  # its data is there
            if not details.get("renew"):
                inherited = anonymous_volumes(list(old.details.get("Mounts") or ()))
        containers = {name: list(found.values()) for name, found in self.current.items()}
        return Surroundings(min(ids, default=""), containers, inherited, self.local, node)

    async def create(self, operation: Operation) -> str | None:
        """Create a container, connect it, copy its secrets in; undone if any of that fails."""
        details = operation.details
        request = create_request(
            self.project, operation.service, details["number"], self.around(operation.service, details)
        )
        archive = copied_files(self.project, self.project.services[operation.service], local=self.local)
        identity = await create_container(self.client, request, details["name"], archive)
        self.created[operation.id] = identity
        if details["name"] == operation.target:
            self.current.setdefault(operation.service, {})[operation.target] = identity
        return None

    async def rename(self, operation: Operation) -> str | None:
        """Give the new container the name of the one it replaces."""
        identity = self.created[operation.details["create"]]
        params = {"name": operation.details["name"]}
        await self.client.json("POST", container_path(identity, "rename"), params=params)
        self.current.setdefault(operation.service, {})[operation.target] = identity
        return None

    async def wait(self, operation: Operation) -> str | None:
        """Wait until all containers of a service meet a condition."""
        condition = operation.details["condition"]
        found = self.current.get(operation.service, {})
        if not found:
            return await self._nothing_to_wait_for(operation)
        try:
            async with asyncio.TaskGroup() as group:
                for identity in found.values():
                    group.create_task(wait_until(self.client, self.events, identity, condition))
        except ExceptionGroup as failures:
            error = failures.exceptions[0]
            if not isinstance(error, DockyardError):
                raise
            if operation.details.get("required", True):
                raise OperationFailed(f"dependency failed to start: {error}") from error
            return f"Skipped: {error}"
        return {"healthy": "Healthy", "completed_successfully": "Exited"}.get(condition)

    async def _nothing_to_wait_for(self, operation: Operation) -> str:
        if operation.details.get("required", True):
            raise OperationFailed(f"no containers of service {operation.service} to wait for")
        return "Skipped: it has no containers"


async def create_container(client: DockerClient, request: CreateRequest, name: str, archive: bytes) -> str:
    """Create a container, join its other networks, unpack `archive` (tar, may be empty) at ``/``; its id.

    If anything fails, or on cancellation, the container is removed again.
    """
    creation = asyncio.create_task(client.container_create(request.body, name=name))
    try:
        answer = await asyncio.shield(creation)
    except asyncio.CancelledError:
        # the engine may have made it already: wait for the answer to be able to undo it
        await asyncio.wait([creation])
        if creation.exception() is None:
            await client.json("DELETE", container_path(creation.result()["Id"]), params={"force": True})
        raise
    identity = str(answer["Id"])
    try:
        for network, settings in request.connect.items():
            connection = {"Container": identity, "EndpointConfig": settings}
            await client.json("POST", f"/networks/{quote(network, safe='')}/connect", json=connection)
        if archive:
            await client.json(
                "PUT",
                container_path(identity, "archive"),
                params={"path": "/"},
                data=archive,
                headers={"Content-Type": "application/x-tar"},
            )
    except BaseException:
        await asyncio.shield(client.json("DELETE", container_path(identity), params={"force": True}))
        raise
    return identity
