"""Every node and container as the scheduler wants to ask about them.

Updated by each event, never rebuilt for a decision, so what a placement costs does not grow with the number
of containers. All methods are plain functions that neither wait nor fail half-way; the caller runs
them in one thread (the manager's event loop), and placing plus reserving is one step to all others.

    by label, by image, by container label, by port:   value → ids of nodes
    by container id and name:                          → id of its node
    aggregates a node:                                 used CPUs and memory, count, taken ports
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field

from scheduler.models import Container, NodeFacts, Port
from scheduler.postings import Postings

_SLOTS_LABEL = "containerslots"
_JOURNAL_LIMIT = 1 << 16


@dataclass(slots=True)
class Node:
    """A node with what its containers use of it. total_*: with the overcommit added."""

    facts: NodeFacts
    total_nano_cpus: int
    total_memory: int
    used_nano_cpus: int = 0
    used_memory: int = 0
    containers: dict[str, Container] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The engine's id."""
        return self.facts.id

    @property
    def name(self) -> str:
        """The engine's host name."""
        return self.facts.name

    @property
    def slots(self) -> int | None:
        """How many containers it takes at most; None without a limit or with a label that is no number."""
        text = self.facts.labels.get(_SLOTS_LABEL, "")
        try:
            return int(text)
        except ValueError:
            return None


class Index:
    """The cluster, indexed. overcommit: the share of CPU and memory promised beyond what is there (0.05)."""

    def __init__(self, overcommit: float = 0.05) -> None:
        self.overcommit = overcommit
        self.nodes: dict[str, Node] = {}
        self.unhealthy: set[str] = set()
        self.full: set[str] = set()
        self.node_names: Postings[str] = Postings()
        self.node_labels: dict[str, Postings[str]] = {}
        self.images: Postings[str] = Postings()
        self.container_labels: dict[str, Postings[str]] = {}
        self.ports: Postings[Port] = Postings()
        self.ports_anywhere: Postings[Port] = Postings()
        self.container_nodes: Postings[str] = Postings()
        self._container_owner: dict[str, str] = {}
        self._ids: list[str] | None = None
        self._journal: list[str] = []
        self._journal_start = 0

    # Changes of nodes

    def put_node(self, facts: NodeFacts) -> None:
        """Add a node, or replace what is known of it; its containers stay."""
        old = self.nodes.get(facts.id)
        if old is not None and old.facts == facts:
            return
        if old is not None:
            self._unlist_facts(old.facts)
        node = Node(
            facts,
            total_nano_cpus=int(facts.nano_cpus * (1 + self.overcommit)),
            total_memory=int(facts.memory * (1 + self.overcommit)),
        )
        if old is not None:
            node.containers = old.containers
            node.used_nano_cpus, node.used_memory = old.used_nano_cpus, old.used_memory
        else:
            self._ids = None
        self.nodes[facts.id] = node
        self._list_facts(facts)
        self._touch(node)

    def remove_node(self, node_id: str) -> None:
        """Forget a node and all its containers."""
        node = self.nodes.get(node_id)
        if node is None:
            return
        for container_id in list(node.containers):
            self.remove_container(container_id)
        self._unlist_facts(node.facts)
        del self.nodes[node_id]
        self._ids = None
        self.full.discard(node_id)
        self._note(node_id)

    def _list_facts(self, facts: NodeFacts) -> None:
        self.node_names.add(facts.name, facts.id)
        self.node_names.add(facts.id, facts.id)
        for key, value in facts.labels.items():
            self.node_labels.setdefault(key, Postings()).add(value, facts.id)
        for image in facts.images:
            self.images.add(image, facts.id)
        if facts.health <= 0:
            self.unhealthy.add(facts.id)

    def _unlist_facts(self, facts: NodeFacts) -> None:
        self.node_names.discard(facts.name, facts.id)
        self.node_names.discard(facts.id, facts.id)
        for key, value in facts.labels.items():
            self.node_labels[key].discard(value, facts.id)
            if not self.node_labels[key]:
                del self.node_labels[key]
        for image in facts.images:
            self.images.discard(image, facts.id)
        self.unhealthy.discard(facts.id)

    # Changes of containers

    def put_container(self, node_id: str, container: Container) -> None:
        """Add a container to a node, or replace what is known of it."""
        owner = self._container_owner.get(container.id)
        if owner == node_id and self.nodes[node_id].containers.get(container.id) == container:
            return
        if owner is not None:
            self.remove_container(container.id)
        node = self.nodes[node_id]
        node.containers[container.id] = container
        node.used_nano_cpus += container.nano_cpus
        node.used_memory += container.memory
        self._container_owner[container.id] = node_id
        for key, value in container.labels.items():
            self.container_labels.setdefault(key, Postings()).add(value, node_id)
        for port in container.ports:
            self.ports.add(_canonical(port), node_id)
            self.ports_anywhere.add(_anywhere(port), node_id)
        self.container_nodes.add(container.id, node_id)
        self.container_nodes.add(container.name, node_id)
        self._touch(node)

    def remove_container(self, container_id: str) -> None:
        """Forget a container (or a reservation); an unknown one is no error."""
        node_id = self._container_owner.pop(container_id, None)
        if node_id is None:
            return
        node = self.nodes[node_id]
        container = node.containers.pop(container_id)
        node.used_nano_cpus -= container.nano_cpus
        node.used_memory -= container.memory
        for key, value in container.labels.items():
            self.container_labels[key].discard(value, node_id)
            if not self.container_labels[key]:
                del self.container_labels[key]
        for port in container.ports:
            self.ports.discard(_canonical(port), node_id)
            self.ports_anywhere.discard(_anywhere(port), node_id)
        self.container_nodes.discard(container.id, node_id)
        self.container_nodes.discard(container.name, node_id)
        self._touch(node)

    # Questions

    @property
    def node_ids(self) -> list[str]:
        """All ids as a list, to draw from; don't change it."""
        if self._ids is None:
            self._ids = list(self.nodes)
        return self._ids

    def nodes_with_label(self, key: str) -> Mapping[str, Set[str]]:
        """Value → nodes, for one node label."""
        return self.node_labels.get(key, _NOTHING)

    def nodes_with_container_label(self, key: str) -> Mapping[str, Set[str]]:
        """Value → nodes that hold a container with it, for one container label."""
        return self.container_labels.get(key, _NOTHING)

    def nodes_using(self, port: Port) -> Iterator[Set[str]]:
        """Sets of nodes on which `port` clashes with one that is taken."""
        if port.wildcard:
            yield self.ports_anywhere[_anywhere(port)]
            return
        yield self.ports[port]
        yield self.ports[_anywhere(port)]

    def changes_since(self, position: int) -> tuple[int, list[str] | None]:
        """Ids of nodes that changed after `position`, and the position to ask from next.

        None for the ids: too long ago, look at all nodes.
        """
        end = self._journal_start + len(self._journal)
        if position < self._journal_start:
            return end, None
        return end, self._journal[position - self._journal_start :]

    def _touch(self, node: Node) -> None:
        count, node_id = len(node.containers), node.id
        slots = node.slots
        if slots is not None and count >= slots:
            self.full.add(node_id)
        else:
            self.full.discard(node_id)
        self._note(node_id)

    def _note(self, node_id: str) -> None:
        self._journal.append(node_id)
        if len(self._journal) > _JOURNAL_LIMIT:
            half = _JOURNAL_LIMIT // 2
            del self._journal[:half]
            self._journal_start += half


def _anywhere(port: Port) -> Port:
    return Port(port.proto, port.number, "", port.host_network)


def _canonical(port: Port) -> Port:
    return _anywhere(port) if port.wildcard else port


_NOTHING: Postings[str] = Postings()
