"""Does what an engine says of itself agree with the kernel, the disk and its own records?

`disagreements` compares, both ways: whatever is there must belong to a container that should have it,
and every container must have what is its own. An engine without containers must have nothing at all.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.harness.engines import TestEngine
from tests.harness.leftovers import CGROUP_ROOT

TITLE = b"dockyard-monitor: "
#: A title has the room of the spawner's command line; so much of an id is always in it.
SHOWN = 32


class Api(http.client.HTTPConnection):
    """HTTP on a unix socket. A daemon that goes away shows as OSError or HTTPException."""

    def __init__(self, path: str, timeout: float = 30) -> None:
        super().__init__("docker", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def call(engine: TestEngine, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """One request on a connection of its own: status and what was answered, decoded if it is JSON."""
    api = Api(engine.socket.removeprefix("unix://"))
    try:
        data = None if body is None else json.dumps(body)
        api.request(method, path, data, {"Content-Type": "application/json"})
        answer = api.getresponse()
        raw = answer.read()
        is_json = "json" in (answer.getheader("Content-Type") or "")
        return answer.status, json.loads(raw) if raw and is_json else raw
    finally:
        api.close()


def processes(engine: TestEngine) -> Iterator[tuple[int, bytes]]:
    """Pid and command line of all processes on the engine's host that are not a container's."""
    namespace = os.readlink(f"/proc/{engine.host.pid}/ns/mnt")
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if os.readlink(entry / "ns/mnt") == namespace:
                yield int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").strip()
        except OSError:
            continue


def monitors(engine: TestEngine) -> dict[str, int]:
    """First SHOWN digits of a container's id → pid of its monitor."""
    found = {}
    for pid, title in processes(engine):
        name = title.removeprefix(TITLE).decode("ascii", "replace")
        if title.startswith(TITLE) and name != "idle":
            found[name[:SHOWN]] = pid
    return found


def spawners(engine: TestEngine) -> list[int]:
    """Pids of spawners, of which there must be one."""
    return [pid for pid, title in processes(engine) if b"engine/shim/spawner.py" in title]


def disagreements(engine: TestEngine, *, patience: float = 10.0) -> list[str]:
    """What does not fit together; the engine has `patience` seconds to get there."""
    deadline = time.monotonic() + patience
    while True:
        found = list(_compare(engine))
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def _compare(engine: TestEngine) -> Iterator[str]:
    _, listed = call(engine, "GET", "/containers/json?all=1")
    everyone = {}
    for entry in listed:
        status, one = call(engine, "GET", f"/containers/{entry['Id']}/json")
        if status == 200:
            everyone[entry["Id"]] = one
    running = {id: one for id, one in everyone.items() if one["State"]["Pid"]}
    for id, one in running.items():
        if not os.path.exists(f"/proc/{one['State']['Pid']}"):
            yield f"{id[:12]} is said to run, but pid {one['State']['Pid']} is gone"
    ids, live = set(everyone), set(running)
    data, run = engine.directory / "data", engine.directory / "exec"
    yield from _same("processes of", live, _by_cgroup(engine))
    yield from _same("monitors of", {id[:SHOWN] for id in live}, set(monitors(engine)))
    if len(spawners(engine)) > 1:
        yield f"{len(spawners(engine))} spawners"
    for hierarchy in (CGROUP_ROOT, *CGROUP_ROOT.glob("*")):
        top = Path(f"{hierarchy}{engine.cgroup_parent}")
        if top.is_dir():
            groups = {entry.name for entry in top.iterdir() if entry.is_dir()}
            yield from _same(f"cgroups in {hierarchy}:", live, groups)
    yield from _same("exec-root directories of", live, _names(run / "containers"))
    yield from _same("directories of", ids, _names(data / "containers"))
    yield from _mounts(engine, running)
    yield from _network(engine, running)
    yield from _records(data / "engine.db", everyone, live)
    for name in _names(data / "overlay2"):
        if name.startswith(("new-", "removing-")):
            yield f"half-made layer {name}"


def _same(what: str, expected: set[str], found: set[str]) -> Iterator[str]:
    for name in sorted(expected - found):
        yield f"missing: {what} {name}"
    for name in sorted(found - expected):
        yield f"left over: {what} {name}"


def _names(directory: Path) -> set[str]:
    return {entry.name for entry in directory.iterdir()} if directory.is_dir() else set()


def _by_cgroup(engine: TestEngine) -> set[str]:
    pattern = re.compile(rf"{re.escape(engine.cgroup_parent)}/([0-9a-f]{{64}})")
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.update(pattern.findall((entry / "cgroup").read_text()))
            except OSError:
                continue
    return found


def _mounts(engine: TestEngine, running: dict[str, Any]) -> Iterator[str]:
    expected = set()
    for id, one in running.items():
        expected.add(one["GraphDriver"]["Data"]["MergedDir"])
        if one["HostConfig"]["NetworkMode"] != "host":
            expected.add(f"{engine.directory}/exec/netns/{id[:12]}")
    found = set()
    for line in Path(f"/proc/{engine.host.pid}/mountinfo").read_text().splitlines():
        point = line.split()[4]
        inside = point.startswith(f"{engine.directory}/")
        stock = "/exec/netns/stock-" in point or point.endswith("/exec/netns")
        if inside and not stock and point != f"{engine.directory}/data":
            found.add(point)
    yield from _same("mount", expected, found)


def _inside(engine: TestEngine, *command: str) -> Any:
    done = subprocess.run(
        engine.host.enter(*command), capture_output=True, text=True, timeout=30, check=False
    )
    return json.loads(done.stdout) if done.stdout.strip() else []


def _network(engine: TestEngine, running: dict[str, Any]) -> Iterator[str]:
    links, ports = set(), set()
    for one in running.values():
        for endpoint in one["NetworkSettings"]["Networks"].values():
            if endpoint.get("EndpointID") and one["HostConfig"]["NetworkMode"] != "host":
                links.add(f"veth{endpoint['EndpointID'][:10]}")
        for bindings in (one["NetworkSettings"]["Ports"] or {}).values():
            ports.update(binding["HostPort"] for binding in bindings or ())
    found = {link["ifname"] for link in _inside(engine, "ip", "-j", "link") if "ifname" in link}
    yield from _same("link", links, {name for name in found if name.startswith("veth")})
    elements = set()
    for entry in (_inside(engine, "nft", "-j", "list", "ruleset") or {}).get("nftables", ()):
        if entry.get("map", {}).get("name", "").startswith("publish_"):
            for key, _ in entry["map"].get("elem", ()):
                elements.add(str(key["concat"][-1]))
    yield from _same("published port", ports, elements)
    stock = _names(engine.directory / "exec/netns")
    named = {name for name in stock if not name.startswith("stock-")}
    own = {id[:12] for id, one in running.items() if one["HostConfig"]["NetworkMode"] != "host"}
    yield from _same("network namespace", own, named)


def _records(path: Path, everyone: dict[str, Any], live: set[str]) -> Iterator[str]:
    ids = set(everyone)
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:

        def rows(sql: str) -> set[str]:
            return {row[0] for row in db.execute(sql)}

        yield from _same("record of", ids, rows("SELECT id FROM containers"))
        yield from _same("layer of", ids, rows("SELECT container_id FROM rw_layers"))
        yield from _same("network place of", live, rows("SELECT container FROM network_sandboxes"))
        users = rows("SELECT container FROM volume_uses")
        yield from _same("use of a volume by", set(), users - ids)
        yield from _same("pending layer", set(), rows("SELECT cache_id FROM layer_trees_pending"))
        for (doc,) in db.execute("SELECT doc FROM containers"):
            if phase := json.loads(doc).get("phase"):
                yield f"{json.loads(doc)['id'][:12]} is recorded as {phase}"
        leases = [row[0] for row in db.execute("SELECT address FROM network_addresses")]
        wanted = [
            endpoint["IPAddress"]
            for id in live
            for endpoint in everyone[id]["NetworkSettings"]["Networks"].values()
            if endpoint.get("IPAddress")
        ]
        if sorted(leases) != sorted(wanted):
            yield f"addresses leased: {sorted(leases)}, in use: {sorted(wanted)}"
    finally:
        db.close()
