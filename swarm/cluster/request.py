"""From the body of a create to what the scheduler is asked and what the node gets. Pure.

Where a container may go is said in its environment (``constraint:node==n1``, ``affinity:…``, ``whitelist:…``,
``reschedule:…``), which the container itself never sees, or in labels that hold JSON arrays. Both end
up in the labels, so that what was asked can be read from the container later.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from engine.errdefs import InvalidParameter
from scheduler.models import NANO, Request
from swarm.cluster.convert import SWARM_ID, port_requests

#: Prefix in the environment → label.
TERMS = {
    "constraint": "com.docker.swarm.constraints",
    "affinity": "com.docker.swarm.affinities",
    "whitelist": "com.docker.swarm.whitelists",
    "reschedule": "com.docker.swarm.reschedule-policies",
}
_POLICIES = ("off", "on-node-failure")
_NAMESPACES = {"NetworkMode": "net", "PidMode": "pid", "IpcMode": "ipc"}
_PLAIN_NETWORKS = frozenset({"", "default", "bridge", "host", "none"})


@dataclass(frozen=True, slots=True)
class Plan:
    """request: for the scheduler. body: for the node, without what only the scheduler reads.

    networks: names of the user-defined networks that the node must have. swarm_id: of this create.
    """

    request: Request
    body: dict[str, Any]
    networks: tuple[str, ...]
    swarm_id: str
    warnings: tuple[str, ...] = ()


def plan(
    body: Mapping[str, Any],
    name: str,
    *,
    is_node: Callable[[str], bool],
    resolve: Callable[[str], tuple[str, str] | None],
) -> Plan:
    """Take a create apart.

    is_node: whether a name is a node's, to recognise ``node/network`` and ``node/volume``.
    resolve: a container reference to its (id, name), None if there is no such container.
    """
    cleaned = deepcopy(dict(body))
    terms = _take_terms(cleaned)
    host = cleaned.setdefault("HostConfig", {}) or {}
    cleaned["HostConfig"] = host
    nodes = _take_node_prefixes(cleaned, host, is_node)
    terms["constraint"] += [f"node=={node}" for node in dict.fromkeys(nodes)]
    labels = cleaned["Labels"]
    for kind, label in TERMS.items():
        if terms[kind]:
            labels[label] = json.dumps(terms[kind])
    swarm_id = labels.setdefault(SWARM_ID, secrets.token_hex(32))
    request = Request(
        name=name,
        image=cleaned.get("Image") or "",
        nano_cpus=int(host.get("NanoCpus") or 0) or int(host.get("CpuShares") or 0) * NANO,
        memory=int(host.get("Memory") or 0),
        labels=dict(labels),
        ports=tuple(port_requests(cleaned)),
        depends_on=tuple(_dependencies(host, resolve)),
        constraints=tuple(terms["constraint"]),
        affinities=tuple(terms["affinity"]),
        whitelists=tuple(terms["whitelist"]),
    )
    return Plan(request, cleaned, _networks(cleaned, host), swarm_id, _check_policies(terms["reschedule"]))


def for_node(body: Mapping[str, Any], cpus: int) -> dict[str, Any]:
    """The body as a node with that many CPUs gets it: --cpu-shares counts cores here, 1/1024 of all there."""
    shares = int((body.get("HostConfig") or {}).get("CpuShares") or 0)
    if not shares or not cpus:
        return dict(body)
    return {**body, "HostConfig": {**body["HostConfig"], "CpuShares": -(-shares * 1024 // cpus)}}


def _take_terms(body: dict[str, Any]) -> dict[str, list[str]]:
    labels = dict(body.get("Labels") or {})
    body["Labels"] = labels
    terms: dict[str, list[str]] = {}
    for kind, label in TERMS.items():
        terms[kind] = _from_label(label, labels[label]) if labels.get(label) else []
    kept = []
    for entry in body.get("Env") or ():
        kind, colon, term = entry.partition(":")
        if colon and kind in TERMS:
            terms[kind].append(term)
        else:
            kept.append(entry)
    body["Env"] = kept
    return terms


def _from_label(label: str, text: str) -> list[str]:
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise InvalidParameter(f"label {label} is no JSON array of strings: {text}") from exc
    if not isinstance(value, list) or not all(isinstance(term, str) for term in value):
        raise InvalidParameter(f"label {label} is no JSON array of strings: {text}")
    return value


def _check_policies(policies: list[str]) -> tuple[str, ...]:
    if len(policies) > 1:
        raise InvalidParameter("too many reschedule policies")
    for policy in policies:
        if policy not in _POLICIES:
            raise InvalidParameter(f"invalid reschedule policy: {policy} (known: {', '.join(_POLICIES)})")
        if policy != "off":
            return ("reschedule:on-node-failure is recorded, but this manager does not move containers yet",)
    return ()


def _take_node_prefixes(
    body: dict[str, Any], host: dict[str, Any], is_node: Callable[[str], bool]
) -> list[str]:
    """``node/network`` and ``node/volume`` pin to the node; the prefix is taken off."""
    nodes: list[str] = []

    def strip(reference: str) -> str:
        node, slash, rest = reference.partition("/")
        if slash and node and is_node(node):
            nodes.append(node)
            return rest
        return reference

    if host.get("NetworkMode"):
        host["NetworkMode"] = strip(host["NetworkMode"])
    networking = body.get("NetworkingConfig") or {}
    if networking.get("EndpointsConfig"):
        networking["EndpointsConfig"] = {strip(k): v for k, v in networking["EndpointsConfig"].items()}
    if host.get("Binds"):
        host["Binds"] = [b if b.startswith("/") else strip(b) for b in host["Binds"]]
    for mount in host.get("Mounts") or ():
        if mount.get("Type") == "volume" and mount.get("Source"):
            mount["Source"] = strip(mount["Source"])
    return nodes


def _dependencies(
    host: dict[str, Any], resolve: Callable[[str], tuple[str, str] | None]
) -> list[tuple[str, str]]:
    """(why, id or name) of each; references in `host` become those that the node knows."""
    found: list[tuple[str, str]] = []

    def known(why: str, reference: str) -> str:
        container = resolve(reference)
        found.append((why, container[0] if container else reference))
        return container[1] if container else reference

    if host.get("VolumesFrom"):
        host["VolumesFrom"] = [_first_part(known, "volumes-from", text) for text in host["VolumesFrom"]]
    if host.get("Links"):
        host["Links"] = [_first_part(known, "link", text) for text in host["Links"]]
    for key, why in _NAMESPACES.items():
        kind, colon, reference = (host.get(key) or "").partition(":")
        if colon and kind == "container":
            host[key] = f"container:{known(why, reference)}"
    return found


def _first_part(known: Callable[[str, str], str], why: str, text: str) -> str:
    reference, colon, rest = text.partition(":")
    return known(why, reference) + colon + rest


def _networks(body: Mapping[str, Any], host: Mapping[str, Any]) -> tuple[str, ...]:
    endpoints = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    names = [host.get("NetworkMode") or "", *endpoints]
    return tuple(dict.fromkeys(n for n in names if n not in _PLAIN_NETWORKS and ":" not in n))
