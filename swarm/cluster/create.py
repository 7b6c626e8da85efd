"""Creating a container somewhere in the cluster.

    place and reserve (one step) ──> networks there ──> create ──> fetch it into the view, end reservation
       ^                                                  │
       ├── the node can't be reached: another node        ├── its image is missing: pull it there, again
       └── another node has the image <── can't be pulled ┘

Parallel creates are safe by the reservation; nothing is locked while the network is waited for.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from engine.errdefs import DockyardError, InvalidParameter, NotFound, SystemFailure, Unavailable
from scheduler.errors import InvalidExpression, Unplaceable
from scheduler.models import Placement, Request
from swarm.cluster.cluster import Cluster
from swarm.cluster.images import find_image, has_origin, image_term, repository, with_tag
from swarm.cluster.networks import ensure_networks
from swarm.cluster.node import ClusterNode
from swarm.cluster.request import Plan, for_node, plan

#: A create that a node leaves unanswered for so long has failed; pulling has its own, much longer time.
_CREATE_TIMEOUT = 120.0


def place(cluster: Cluster, request: Request) -> Placement:
    """The scheduler's decision, its refusals as errors of the API."""
    try:
        return cluster.scheduler.place(request)
    except InvalidExpression as exc:
        raise InvalidParameter(str(exc)) from exc
    except Unplaceable as exc:
        raise Unavailable(str(exc)) from exc


async def create(
    cluster: Cluster,
    body: Mapping[str, Any],
    name: str,
    *,
    platform: str = "",
    version: tuple[int, int] | None = None,
    auth: str = "",
) -> dict[str, Any]:
    """POST /containers/create for the cluster: the engine's answer.

    Raises Conflict for a taken name, Unavailable with the scheduler's explanation, or the engine's error.
    """
    if name:
        name = name.lstrip("/")
        cluster.view.containers.reserve_name(name)
    try:
        job = _Create(cluster, _plan(cluster, body, name), name, platform, version, auth)
        return await job.run()
    finally:
        cluster.view.containers.release_name(name)


def _plan(cluster: Cluster, body: Mapping[str, Any], name: str) -> Plan:
    node_names = {n.name for n in cluster.view}

    def resolve(reference: str) -> tuple[str, str] | None:
        try:
            record = cluster.container(reference)
        except NotFound:
            return None
        return record.id, record.name

    return plan(body, name, is_node=node_names.__contains__, resolve=resolve)


class _Create:
    """One create under way."""

    def __init__(
        self,
        cluster: Cluster,
        made: Plan,
        name: str,
        platform: str,
        version: tuple[int, int] | None,
        auth: str,
    ) -> None:
        self.cluster = cluster
        self.plan = made
        self.request = made.request
        self.query = urlencode({k: v for k, v in (("name", name), ("platform", platform)) if v})
        self.platform = platform
        self.version = version
        self.auth = auth
        self.retries = cluster.config.create_retry
        self.near_image = False

    async def run(self) -> dict[str, Any]:
        """Try nodes until one has made it."""
        failure: DockyardError | None = None
        if self._is_homemade():
            self._stay_near_image()
        while True:
            try:
                placement = place(self.cluster, self.request)
            except Unavailable:
                if failure is not None:
                    raise failure from None
                raise
            node = self.cluster.view.node(placement.node_id)
            try:
                return await self._reserved(node)
            except DockyardError as exc:
                failure = exc
                if not self._another(node, exc):
                    raise

    def _another(self, node: ClusterNode, exc: DockyardError) -> bool:
        """Whether to try again, and where."""
        if isinstance(exc, Unavailable):
            # It may have been made all the same: should the node come back with it, it goes.
            self.cluster.view.abandon(node.addr, self.plan.swarm_id)
            self.request = replace(self.request, avoid=self.request.avoid | {node.id})
            return True
        if is_missing_image(exc):
            image = self.request.image
            elsewhere = any(find_image(n, image) for n in self.cluster.view.healthy if n is not node)
            if elsewhere and not self.near_image:
                self._stay_near_image()
                return True
            return False
        if self.retries > 0 and not isinstance(exc, InvalidParameter):
            self.retries -= 1
            self.request = replace(self.request, avoid=self.request.avoid | {node.id})
            return True
        return False

    def _is_homemade(self) -> bool:
        """Whether nodes have the image and none has it from a registry: it was built, loaded or imported.

        Pulling could only fail, or bring something else of the same name.
        """
        found = [find_image(node, self.request.image) for node in self.cluster.view.healthy]
        held = [image for image in found if image is not None]
        return bool(held) and not any(has_origin(image) for image in held)

    def _stay_near_image(self) -> None:
        self.near_image = True
        term = image_term(self.cluster.view.healthy, self.request.image)
        self.request = replace(self.request, affinities=(*self.request.affinities, term))

    async def _reserved(self, node: ClusterNode) -> dict[str, Any]:
        placeholder = self.request.as_container(f"reserved-{secrets.token_hex(8)}")
        self.cluster.view.reserve(node.id, placeholder)
        try:
            await ensure_networks(self.cluster, node, self.plan.networks)
            answer = await self._create_or_pull(node)
            await self.cluster.refresh(node, answer["Id"])
        finally:
            self.cluster.view.release(placeholder.id)
        answer["Warnings"] = [*(answer.get("Warnings") or ()), *self.plan.warnings]
        return answer

    async def _create_or_pull(self, node: ClusterNode) -> dict[str, Any]:
        try:
            return await self._create(node)
        except NotFound as exc:
            if not is_missing_image(exc):
                raise
            missing = exc
        try:
            await pull(node, self.request.image, platform=self.platform, auth=self.auth)
        except Unavailable:
            node.require()  # gone: say so; otherwise it was the registry
            raise missing from None
        except DockyardError:
            raise missing from None  # clients know what to do about a missing image
        return await self._create(node)

    async def _create(self, node: ClusterNode) -> dict[str, Any]:
        target = f"/containers/create?{self.query}" if self.query else "/containers/create"
        body = for_node(self.plan.body, node.facts.cpus)
        response = await node.request(
            "POST", target, version=self.version, json=body, timeout=_CREATE_TIMEOUT
        )
        try:
            await response.raise_for_status()
            return dict(await response.json())
        finally:
            response.close()


def is_missing_image(exc: DockyardError) -> bool:
    """Whether a create failed for want of the image: a 404 alone does not say what is missing."""
    return isinstance(exc, NotFound) and "no such image" in str(exc).lower()


async def pull(node: ClusterNode, image: str, *, platform: str = "", auth: str = "") -> None:
    """Pull an image on one node; the error that the stream of progress ends with is raised."""
    reference = with_tag(image)
    params = {"fromImage": reference}
    if "@" not in reference and not reference.startswith("sha256:"):
        params = {"fromImage": repository(reference), "tag": reference[len(repository(reference)) + 1 :]}
    if platform:
        params["platform"] = platform
    headers = {"X-Registry-Auth": auth} if auth else {}
    async for message in node.client.stream("POST", "/images/create", params=params, headers=headers):
        if isinstance(message, dict) and message.get("error"):
            raise SystemFailure(str(message["error"]))
