"""What the manager answers about itself and about the cluster as a whole."""

from __future__ import annotations

import platform
import random
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from engine.api.versions import API_VERSION, ENGINE_VERSION, MIN_API_VERSION, parse
from engine.errdefs import Unavailable
from swarm.cluster.cluster import Cluster
from swarm.cluster.node import ClusterNode, NodeState
from swarm.proxy import answer, fanout
from swarm.proxy.call import Call
from swarm.proxy.forward import forward
from swarm.proxy.hijack import hijacked
from swarm.proxy.images import merged

_VERSION = f"swarm/{ENGINE_VERSION}"


def api_version(cluster: Cluster) -> str:
    """The newest version that we and every healthy node speak."""
    versions = [API_VERSION, *(n.facts.api_version for n in cluster.view if n.healthy)]
    return min(versions, key=parse)


async def ping(call: Call) -> web.StreamResponse:
    """GET and HEAD /_ping."""
    headers = {
        "Builder-Version": "1",
        "Swarm": "inactive",
        "Cache-Control": "no-cache, no-store, must-revalidate",
        "Pragma": "no-cache",
    }
    body = b"" if call.request.method == "HEAD" else b"OK"
    return web.Response(body=body, content_type="text/plain", headers=headers)


async def version(call: Call) -> web.StreamResponse:
    """GET /version."""
    spoken = api_version(call.cluster)
    details = {"ApiVersion": spoken, "MinAPIVersion": MIN_API_VERSION, "Os": sys.platform}
    return answer.json(
        {
            "Platform": {"Name": "Dockyard Swarm"},
            "Components": [{"Name": "Swarm", "Version": _VERSION, "Details": details}],
            "Version": _VERSION,
            "ApiVersion": spoken,
            "MinAPIVersion": MIN_API_VERSION,
            "GitCommit": "",
            "GoVersion": f"python{platform.python_version()}",
            "Os": sys.platform,
            "Arch": _architecture(),
            "KernelVersion": platform.release(),
            "BuildTime": "",
        }
    )


async def info(call: Call) -> web.StreamResponse:
    """GET /info. The nodes stand in SystemStatus, which `docker info` prints."""
    view = call.cluster.view
    counts = {"running": 0, "paused": 0, "stopped": 0}
    for record in view.containers:
        counts[_counted(record.summary.get("State"))] += 1
    images = {image["Id"] for node in view for image in node.images}
    members = [n.facts for n in view if n.state is not NodeState.PENDING]
    return answer.json(
        {
            "ID": "",
            "Containers": sum(counts.values()),
            "ContainersRunning": counts["running"],
            "ContainersPaused": counts["paused"],
            "ContainersStopped": counts["stopped"],
            "Images": len(images),
            "Driver": "",
            "DriverStatus": None,
            "SystemStatus": status_rows(call.cluster),
            "Plugins": {"Volume": None, "Network": None, "Authorization": None, "Log": None},
            "MemoryLimit": True,
            "SwapLimit": True,
            "CpuCfsPeriod": True,
            "CpuCfsQuota": True,
            "CPUShares": True,
            "CPUSet": True,
            "PidsLimit": True,
            "IPv4Forwarding": True,
            "BridgeNfIptables": True,  # else docker warns of something that is each node's own affair
            "BridgeNfIp6tables": True,
            "OomKillDisable": True,
            "Debug": False,
            "NFd": len(list(Path("/proc/self/fd").iterdir())),
            "NGoroutines": 0,
            "SystemTime": datetime.now(UTC).isoformat(),
            "LoggingDriver": "",
            "CgroupDriver": "",
            "NEventsListener": 0,
            "KernelVersion": platform.release(),
            "OperatingSystem": sys.platform,
            "OSType": "linux",
            "Architecture": _architecture(),
            "NCPU": sum(facts.cpus for facts in members),
            "MemTotal": sum(facts.memory for facts in members),
            "DockerRootDir": "",
            "HttpProxy": "",
            "HttpsProxy": "",
            "NoProxy": "",
            "Name": socket.gethostname(),
            "Labels": [],
            "ExperimentalBuild": False,
            "ServerVersion": _VERSION,
            "Swarm": {"NodeID": "", "LocalNodeState": "inactive", "ControlAvailable": False},
            "SecurityOptions": [],
            "Warnings": None,
            "RegistryConfig": {"IndexConfigs": {}, "InsecureRegistryCIDRs": [], "Mirrors": []},
        }
    )


def status_rows(cluster: Cluster) -> list[tuple[str, str]]:
    """The cluster and each node, in the order and the words that Swarm's clients know."""
    view = cluster.view
    filters = ", ".join(f.name for f in cluster.scheduler.filters)
    rows = [
        ("Role", "primary"),
        ("Strategy", cluster.scheduler.strategy.name),
        ("Filters", filters),
        ("Nodes", str(len(view.nodes))),
    ]
    for node in sorted(view, key=lambda n: (n.name, n.addr)):
        rows += node_rows(cluster, node)
    return rows


def node_rows(cluster: Cluster, node: ClusterNode) -> list[tuple[str, str]]:
    """One node's rows; a node that never answered is `(unknown)`."""
    counts = {"running": 0, "paused": 0, "stopped": 0}
    for record in node.containers.values():
        counts[_counted(record.summary.get("State"))] += 1
    placed = cluster.view.index.nodes.get(node.id)
    used_cpus = placed.used_nano_cpus / 1e9 if placed else 0
    used_memory = placed.used_memory if placed else 0
    facts = node.facts
    labels = ", ".join(f"{k}={v}" for k, v in sorted(facts.labels.items()) if v)
    updated = datetime.fromtimestamp(node.updated_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = [
        (f" {facts.name or '(unknown)'}", node.addr),
        ("  └ ID", node.id or "(unknown)"),
        ("  └ Status", str(node.state)),
        (
            "  └ Containers",
            f"{len(node.containers)} ({counts['running']} Running, {counts['paused']} Paused, "
            f"{counts['stopped']} Stopped)",
        ),
        ("  └ Reserved CPUs", f"{used_cpus:g} / {facts.cpus}"),
        ("  └ Reserved Memory", f"{human(used_memory)} / {human(facts.memory)}"),
        ("  └ Labels", labels),
    ]
    if node.error:
        rows.append(("  └ Error", node.error))
    rows.append(("  └ UpdatedAt", updated if node.updated_at else "(never)"))
    rows.append(("  └ ServerVersion", facts.server_version))
    return rows


def human(size: int) -> str:
    """Bytes in binary units, four digits: ``1.952 GiB``."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} TiB"


def _counted(state: Any) -> str:
    return {"running": "running", "restarting": "running", "paused": "paused"}.get(str(state), "stopped")


def _architecture() -> str:
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


# A node, whichever


async def on_any(call: Call) -> web.StreamResponse:
    """A random healthy node answers: registry questions."""
    return await forward(call, random.choice(fanout.require_some(call.cluster.view.healthy)))


async def session(call: Call) -> web.StreamResponse:
    """POST /session, /grpc: hijacked, on a random node."""
    node = random.choice(fanout.require_some(call.cluster.view.healthy))
    return await hijacked(call, node, call.target)


async def no_services(call: Call) -> web.StreamResponse:
    """The services API of a newer swarm, which is not this one."""
    raise Unavailable(
        "This node is not a swarm manager. It serves a cluster of engines; services, nodes and secrets "
        "are not part of its API"
    )


# Sums over all nodes


async def disk_usage(call: Call) -> web.StreamResponse:
    """GET /system/df: what lies on all nodes, named by node."""
    got = await fanout.answers(
        call.cluster.view.healthy,
        lambda n: call.cluster.json(n, "GET", call.target, version=call.version, timeout=60),
    )
    total: dict[str, Any] = {
        "LayersSize": sum(usage.get("LayersSize") or 0 for _, usage in got),
        "Images": merged(usage.get("Images") for _, usage in got),
        "Containers": [],
        "Volumes": [],
        "BuildCache": fanout.concat(usage.get("BuildCache") for _, usage in got),
    }
    for node, usage in got:
        for container in usage.get("Containers") or ():
            names = [f"/{node.name}/{name.lstrip('/')}" for name in container.get("Names") or ()]
            total["Containers"].append({**container, "Names": names})
        for volume in usage.get("Volumes") or ():
            total["Volumes"].append({**volume, "Name": f"{node.name}/{volume['Name']}"})
    return answer.json(total)


async def prune(call: Call) -> web.StreamResponse:
    """POST /…/prune: on all nodes; lists joined, bytes added up. Filter `node` limits it to some."""
    filters = call.filters
    query = {k: v for k, v in call.request.query.items() if k != "filters"}
    left = {key: list(filters.get(key)) for key in filters.keys() if key != "node"}  # noqa: SIM118
    if left:
        query["filters"] = answer.encode(left)
    target = f"{call.path}?{urlencode(query)}" if query else call.path
    nodes = [n for n in fanout.require_some(call.cluster.view.healthy) if filters.match("node", n.name, n.id)]

    async def ask(node: ClusterNode) -> dict[str, Any]:
        result = await call.cluster.json(node, "POST", target, version=call.version)
        await call.cluster.sync(node).everything()
        return result or {}

    total: dict[str, Any] = {}
    for node, result in await fanout.answers(nodes, ask):
        for key, value in result.items():
            if isinstance(value, int):
                total[key] = total.get(key, 0) + value
            else:
                named = [f"{node.name}/{v}" for v in value or ()] if key in _NAMED else value or []
                total[key] = [*(total.get(key) or []), *named]
    return answer.json(total)


_NAMED = frozenset({"VolumesDeleted", "NetworksDeleted"})
