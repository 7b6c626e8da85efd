"""Clients work while daemon, spawner and monitors are killed with SIGKILL at random moments.

At the end what the daemon says must agree with the kernel, no container that a client was told of may
be lost, exit codes and logs must be right, and after everything is removed nothing may be left.

DOCKYARD_CHAOS_SEED repeats a run's choices (the kernel's timing stays its own), DOCKYARD_CHAOS_ROUNDS
makes it longer.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

import pytest

from tests.harness.agreement import SHOWN, call, disagreements, monitors, spawners
from tests.harness.engines import TestEngine

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]

CLIENTS = 4
COUNT = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done"
FOREVER = "while :; do sleep 60 & wait; done"
#: What a container may be that was being started when its daemon was killed.
CALLED_OFF = 128
LOST = 137

KINDS: dict[str, dict[str, Any]] = {
    "exit": {"Cmd": ["sh", "-c", "sleep 0.1; exit 7"]},
    "counter": {"Cmd": ["sh", "-c", COUNT]},
    "plain": {"Cmd": ["sh", "-c", FOREVER]},
    "rm": {"Cmd": ["sh", "-c", "sleep 0.2"], "HostConfig": {"AutoRemove": True}},
    "port": {
        "Cmd": ["sh", "-c", FOREVER],
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "0"}], "80/udp": [{"HostPort": "0"}]}},
    },
    "network": {"Cmd": ["sh", "-c", FOREVER], "HostConfig": {"NetworkMode": "chaos"}},
    "volume": {
        "Cmd": ["sh", "-c", FOREVER],
        "Volumes": {"/anonymous": {}},
        "HostConfig": {"Binds": ["named:/named"]},
    },
    "policy": {
        "Cmd": ["sh", "-c", "sleep 0.3; exit 1"],
        "HostConfig": {"RestartPolicy": {"Name": "always"}},
    },
}


@dataclass
class Known:
    """What a client was told of one container. None: the answer did not come."""

    kind: str
    created: bool | None = None
    started: bool | None = False
    stopped: bool = False
    removal: bool = False


@dataclass
class World:
    """What clients and killer share. kills: (time, what) of each kill."""

    engine: TestEngine
    seed: int
    over: threading.Event = field(default_factory=threading.Event)
    known: dict[str, Known] = field(default_factory=dict)
    kills: list[tuple[float, str]] = field(default_factory=list)
    victims: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status 0: the daemon went away, and what became of the request is open."""
        began = time.monotonic()
        try:
            status, answer = call(self.engine, method, path, body)
        except (OSError, HTTPException) as exc:
            if isinstance(exc, TimeoutError):
                self.complaints.append(f"{method} {path}: no answer")
            return 0, None
        if status >= 500 and not any(began - 1 < at for at, what in self.kills if what != "daemon"):
            self.complaints.append(f"{method} {path}: {status} {answer}")
        return status, answer


def client(world: World, number: int) -> None:
    """One after the other: create, start, use, stop, remove; some are left as they are."""
    rng = random.Random(world.seed * 100 + number)
    made = 0
    while not world.over.is_set():
        kind = rng.choice(list(KINDS))
        name = f"{kind}-{number}-{made}"
        made += 1
        known = world.known[name] = Known(kind)
        status, _ = world.request(
            "POST", f"/containers/create?name={name}", {"Image": "busybox", **KINDS[kind]}
        )
        known.created = status == 201 if status else None
        if status != 201:
            time.sleep(0.2)  # the daemon is being started again
            continue
        if rng.random() < 0.9:
            status, _ = world.request("POST", f"/containers/{name}/start")
            known.started = status in (204, 304) if status else None
        if rng.random() < 0.4:
            run_exec(world, name)
        if rng.random() < 0.3:
            known.stopped = True
            world.request("POST", f"/containers/{name}/stop?t=0")
        if rng.random() < 0.5:
            known.removal = True
            world.request("DELETE", f"/containers/{name}?force=1&v=1")
        limit_running(world, number, rng)


def run_exec(world: World, name: str) -> None:
    status, answer = world.request(
        "POST", f"/containers/{name}/exec", {"Cmd": ["true"], "AttachStdout": True}
    )
    if status == 201:
        world.request("POST", f"/exec/{answer['Id']}/start", {"Detach": True})


def limit_running(world: World, number: int, rng: random.Random) -> None:
    """Remove a container of ours, once there are some."""
    mine = [n for n, one in world.known.items() if f"-{number}-" in n and one.created and not one.removal]
    if len(mine) > 8:
        name = rng.choice(mine)
        world.known[name].removal = True
        world.request("DELETE", f"/containers/{name}?force=1&v=1")


def kill_daemon(world: World, rng: random.Random) -> None:
    world.kills.append((time.monotonic(), "daemon"))
    world.engine.kill()
    time.sleep(rng.choice((0.0, 0.1, 0.5)))
    world.engine.start()


def kill_spawner(world: World, rng: random.Random) -> None:
    for pid in spawners(world.engine):
        world.kills.append((time.monotonic(), "spawner"))
        kill(pid)


def kill_monitor(world: World, rng: random.Random) -> None:
    found = monitors(world.engine)
    if found:
        victim = rng.choice(sorted(found))
        world.victims.add(victim)
        world.kills.append((time.monotonic(), "monitor"))
        kill(found[victim])


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def play(world: World, rounds: int) -> None:
    """Kill, again and again, while clients work."""
    rng = random.Random(world.seed)
    clients = [threading.Thread(target=client, args=(world, number)) for number in range(CLIENTS)]
    for thread in clients:
        thread.start()
    try:
        for number in range(rounds):
            time.sleep(rng.uniform(0.1, 1.0))
            (kill_daemon, kill_spawner, kill_monitor)[number % 3](world, rng)
    finally:
        world.over.set()
        for thread in clients:
            thread.join()


def lost_or_wrong(world: World) -> list[str]:
    """Each container against what its client was told."""
    found = []
    for name, known in world.known.items():
        status, one = call(world.engine, "GET", f"/containers/{name}/json")
        if known.removal or known.kind == "rm" or known.created is None:
            continue  # may be gone; if it is there, it agrees with the kernel
        if known.created and status != 200:
            found.append(f"{name} was created, and is lost")
        elif known.created:
            found.extend(f"{name} ({one['Id'][:12]}): {what}" for what in wrong(world, known, one))
    return found


def wrong(world: World, known: Known, one: Any) -> list[str]:
    state = one["State"]
    victim = one["Id"][:SHOWN] in world.victims
    found = []
    if known.kind == "counter":
        found += gaps(world, one["Id"])
    if known.started is None or known.kind == "policy":
        return found  # started or called off, both are right
    if not known.started and not victim and state["Status"] != "created":
        found.append(f"was never started, and is {state['Status']}")
    if known.started and not known.stopped and not victim:
        if known.kind == "exit" and (state["Status"], state["ExitCode"]) != ("exited", 7):
            found.append(f"should have exited with 7: {state}")
        if known.kind not in ("exit", "rm") and state["Status"] != "running":
            found.append(f"was started, and does not run: {state}")
    if known.started and victim and state["Status"] == "exited" and state["ExitCode"] not in (LOST, 7, 0):
        found.append(f"its monitor was killed, but its exit code is {state['ExitCode']}")
    return found


def gaps(world: World, container_id: str) -> list[str]:
    """The log counts from 0; a second run does so again."""
    _, raw = call(world.engine, "GET", f"/containers/{container_id}/logs?stdout=1")
    numbers = []
    while raw:
        size = int.from_bytes(raw[4:8], "big")
        numbers.append(int(raw[8 : 8 + size]))
        raw = raw[8 + size :]
    return [
        f"its log goes from {before} to {after}"
        for before, after in zip([-1, *numbers], numbers, strict=False)
        if after not in (before + 1, 0)
    ]


def test_nothing_is_lost_and_nothing_leaks_whoever_is_killed(engine: TestEngine) -> None:
    seed = int(os.environ.get("DOCKYARD_CHAOS_SEED") or random.randrange(1 << 30))
    rounds = int(os.environ.get("DOCKYARD_CHAOS_ROUNDS") or 24)
    print(f"DOCKYARD_CHAOS_SEED={seed} DOCKYARD_CHAOS_ROUNDS={rounds}")
    assert call(engine, "POST", "/networks/create", {"Name": "chaos"})[0] == 201
    layers = sorted(os.listdir(engine.directory / "data/overlay2/l"))
    world = World(engine, seed)
    try:
        play(world, rounds)
        print(f"{len(world.known)} containers, {len(world.kills)} kills")
        expect_none(disagreements(engine) + lost_or_wrong(world) + world.complaints)
        engine.kill()
        engine.start()
        expect_none(disagreements(engine))
        remove_all(engine)
        expect_none(disagreements(engine))
        expect_none(left(engine))
    finally:
        print(engine.log.read_text()[-100_000:])
        print(*(f"{at:.3f} {what}" for at, what in world.kills), sep="\n")
        for one in call(engine, "GET", "/containers/json?all=1")[1]:
            print(one["Id"][:12], one["Names"], one["State"], one["Status"])
    assert call(engine, "DELETE", "/networks/chaos")[0] == 204
    # One more at most: the image's init layer, made for the first container.
    assert len(os.listdir(engine.directory / "data/overlay2/l")) <= len(layers) + 1
    log = engine.log.read_text()
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:3000]


def expect_none(found: list[str]) -> None:
    assert not found, "\n".join(found)


def left(engine: TestEngine) -> list[str]:
    """What is there beside the one volume that has a name."""
    _, listed = call(engine, "GET", "/containers/json?all=1")
    _, volumes = call(engine, "GET", "/volumes")
    names = {one["Name"] for one in volumes["Volumes"]} | set(os.listdir(engine.directory / "data/volumes"))
    return [one["Id"] for one in listed] + [f"volume {name}" for name in sorted(names - {"named"})]


def remove_all(engine: TestEngine) -> None:
    _, listed = call(engine, "GET", "/containers/json?all=1")
    for one in listed:
        status, answer = call(engine, "DELETE", f"/containers/{one['Id']}?force=1&v=1")
        assert status in (204, 404, 409), answer
