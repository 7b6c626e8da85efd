"""The cluster in memory: nodes, containers, and the scheduler's index of both, always in step.

Only plain functions: whoever runs on the event loop sees either all of a change or nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.errdefs import Conflict, NotFound
from scheduler.index import Index
from scheduler.models import Container
from swarm.cluster.directory import Directory
from swarm.cluster.events import EventHub
from swarm.cluster.node import ClusterNode, ContainerRecord, NodeState


class View:
    """Nodes by address and id, containers by reference, and what is reserved for creates under way."""

    def __init__(self, overcommit: float) -> None:
        self.index = Index(overcommit)
        self.containers = Directory()
        self.events = EventHub()
        self.nodes: dict[str, ClusterNode] = {}
        self._by_id: dict[str, ClusterNode] = {}
        self._abandoned: dict[str, set[str]] = {}

    def __iter__(self) -> Iterator[ClusterNode]:
        return iter(self.nodes.values())

    @property
    def healthy(self) -> list[ClusterNode]:
        """Nodes that take requests, by name."""
        return sorted((n for n in self if n.healthy), key=lambda n: n.name)

    def node(self, reference: str) -> ClusterNode:
        """By id or name; NotFound."""
        found = self._by_id.get(reference) or next((n for n in self if n.name == reference), None)
        if found is None:
            raise NotFound(f"No such node: {reference}")
        return found

    # Nodes

    def admit(self, node: ClusterNode) -> None:
        """Take a connected node in, or take note of its new facts; Conflict if another has its id."""
        other = self._by_id.get(node.id)
        if other is not None and other is not node:
            raise Conflict(
                f"duplicated ID. {node.id} shared by {other.addr} and {node.addr}: "
                "give one of the engines an id of its own (it keeps it in its data root)"
            )
        self._by_id[node.id] = node
        self.publish_facts(node)

    def publish_facts(self, node: ClusterNode) -> None:
        """Tell the scheduler how the node is now."""
        if self._by_id.get(node.id) is node:
            self.index.put_node(node.scheduler_facts())

    def expel(self, node: ClusterNode) -> None:
        """Forget a node and all that lies on it."""
        for container_id in list(node.containers):
            self.drop_container(node, container_id)
        self.nodes.pop(node.addr, None)
        if self._by_id.get(node.id) is node:
            del self._by_id[node.id]
            self.index.remove_node(node.id)
        node.state = NodeState.DISCONNECTED

    def forget_identity(self, node: ClusterNode) -> None:
        """Before a node that changed its id is admitted under the new one."""
        for container_id in list(node.containers):
            self.drop_container(node, container_id)
        if self._by_id.get(node.id) is node:
            del self._by_id[node.id]
            self.index.remove_node(node.id)

    # Containers

    def put_container(self, record: ContainerRecord) -> None:
        """Add a container or replace what is known of it."""
        record.node.containers[record.id] = record
        self.containers.put(record)
        self.index.put_container(record.node.id, record.placed)

    def drop_container(self, node: ClusterNode, container_id: str) -> None:
        """Forget a container; an unknown one is no error."""
        if node.containers.pop(container_id, None) is not None:
            self.containers.remove(container_id)
            self.index.remove_container(container_id)

    # Creates given up

    def abandon(self, addr: str, swarm_id: str) -> None:
        """A create whose answer never came from the node at `addr` is done elsewhere."""
        self._abandoned.setdefault(addr, set()).add(swarm_id)

    def take_abandoned(self, node: ClusterNode) -> list[ContainerRecord]:
        """Containers on the node, never started, whose create was given up; each is named once.

        A create may still arrive after the node is back: its packets were waiting somewhere.
        """
        given_up = self._abandoned.get(node.addr)
        if not given_up:
            return []
        found = [
            r
            for r in node.containers.values()
            if r.swarm_id in given_up and r.state.get("Status") == "created"
        ]
        given_up.difference_update(r.swarm_id for r in found)
        return found

    # Reservations

    def reserve(self, node_id: str, placeholder: Container) -> None:
        """Count a container that is about to be created."""
        self.index.put_container(node_id, placeholder)

    def release(self, placeholder_id: str) -> None:
        """End a reservation: the container is there, or will not be."""
        self.index.remove_container(placeholder_id)
