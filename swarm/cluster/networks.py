"""Networks as the cluster sees them.

A network of local scope (bridge) belongs to one node and is called ``node/name``. A container that asks for
it by its plain name may be placed anywhere, so the network is made, with the same settings, on the node
that lacks it: each node's containers share the node's part of it. Global networks are one and the same on
all nodes and are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.errdefs import Conflict, DockyardError
from swarm.cluster.cluster import Cluster
from swarm.cluster.node import ClusterNode

_PREDEFINED = frozenset({"bridge", "host", "none"})
_SETTINGS = ("Driver", "Internal", "EnableIPv6", "Attachable", "Options", "Labels")


def is_local(network: Mapping[str, Any]) -> bool:
    """Whether it belongs to one node."""
    return bool(network.get("Scope", "local") == "local")


def is_predefined(network: Mapping[str, Any]) -> bool:
    """Whether every engine has one of its own by that name."""
    return network.get("Name") in _PREDEFINED


def known_there(node: ClusterNode, reference: str) -> bool:
    """Whether the node has a network of that name or id."""
    return any(reference in (n["Name"], n["Id"]) for n in node.networks)


async def ensure_networks(cluster: Cluster, node: ClusterNode, references: Iterable[str]) -> None:
    """Make the local networks that the node lacks and another node has."""
    for reference in references:
        if known_there(node, reference):
            continue
        model = _elsewhere(cluster, node, reference)
        if model is not None:
            await _copy(cluster, node, model)


def _elsewhere(cluster: Cluster, node: ClusterNode, reference: str) -> Mapping[str, Any] | None:
    for other in cluster.view.healthy:
        for network in other.networks if other is not node else ():
            if network["Name"] == reference and is_local(network):
                return network
    return None


async def _copy(cluster: Cluster, node: ClusterNode, model: Mapping[str, Any]) -> None:
    request: dict[str, Any] = {"Name": model["Name"], "CheckDuplicate": True}
    request |= {key: model[key] for key in _SETTINGS if model.get(key)}
    try:
        try:
            await cluster.json(
                node, "POST", "/networks/create", json={**request, "IPAM": model.get("IPAM") or {}}
            )
        except Conflict:
            raise
        except DockyardError:
            # Its addresses may be in use by another network there; the names are what matters.
            await cluster.json(node, "POST", "/networks/create", json=request)
    except Conflict:
        pass  # somebody was first
    await cluster.sync(node).networks()
