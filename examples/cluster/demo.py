"""`make demo`: three engines as three hosts, one Swarm endpoint, one compose file.

    make demo        python -m examples.cluster.demo up
    make demo-down   python -m examples.cluster.demo down

Both may be run again at any time: `up` keeps what runs and starts what does not, `down` removes what
it finds. What was started is written down in STATE before it is used, so `down` finds all of it even
if `up` was interrupted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from dataclasses import asdict, dataclass, field
from pathlib import Path

from examples.cluster.lab import (
    EngineProcess,
    Host,
    Wire,
    alive,
    end,
    ip_of,
    spawn,
    start_time,
    uninterrupted,
)

BASE = Path(os.environ.get("DOCKYARD_DEMO_DIR", "/var/lib/dockyard-demo"))
STATE = BASE / "state.json"
BIN = Path(sys.executable).parent
SHOP = Path(__file__).resolve().parent.parent / "shop"
WIRE = Wire("dockyard-demo0", "10.213.0.1/24")
MANAGER = "tcp://127.0.0.1:3375"
NODES = {"node1": "10.213.0.11/24", "node2": "10.213.0.12/24", "node3": "10.213.0.13/24"}
LABELS = {"node1": "tier=back", "node2": "tier=front", "node3": "tier=front"}
ENVIRONMENT = {
    "DOCKER_HOST": MANAGER,
    "STOCK_PLACEMENT": "constraint:tier==back",
    "STOCK_HOST": ip_of(NODES["node1"]),
}


@dataclass
class Started:
    """What runs: hosts by name, and pid with start time of engines and manager."""

    hosts: dict[str, dict[str, object]] = field(default_factory=dict)
    processes: dict[str, tuple[int, str]] = field(default_factory=dict)

    @classmethod
    def load(cls) -> Started:
        """As an earlier run wrote it."""
        try:
            return cls(**json.loads(STATE.read_text()))
        except FileNotFoundError:
            return cls()

    def save(self) -> None:
        """Write it down."""
        temporary = STATE.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(self)))
        temporary.replace(STATE)

    def host(self, name: str) -> Host | None:
        """A host that is still up."""
        known = self.hosts.get(name)
        host = Host(**known) if known else None  # type: ignore[arg-type]
        return host if host and host.up else None

    def pid(self, name: str) -> int:
        """A process that still runs, else 0."""
        pid, began = self.processes.get(name, (0, ""))
        return pid if pid and alive(pid) and start_time(pid) == began else 0

    def remember(self, name: str, pid: int) -> None:
        """Write a process down."""
        self.processes[name] = (pid, start_time(pid))
        self.save()


def say(text: str) -> None:
    """A headline of the demo."""
    print(f"\n\033[1m==> {text}\033[0m" if sys.stdout.isatty() else f"\n==> {text}", flush=True)


def engine_of(host: Host) -> EngineProcess:
    """The engine of a node."""
    options = (f"--label={LABELS[host.name]}",)
    return EngineProcess(host, BASE / host.name, BIN / "pydocker", options)


def start_node(started: Started, name: str, address: str) -> EngineProcess:
    """A host with its engine, started or found."""
    host = started.host(name)
    if host is None:
        shutil.rmtree(BASE / name / "exec", ignore_errors=True)  # what a reboot would have cleared
        with uninterrupted():
            host = Host.boot(name)
            started.hosts[name] = asdict(host)
            started.save()
    if not host.address:
        WIRE.plug(host, address)
        started.hosts[name] = asdict(host)
        started.save()
    engine = running_engine(started, host)
    print(f"  {name}: {host.ip}:{engine.port}, {LABELS[name]}, data in {engine.directory}")
    return engine


def running_engine(started: Started, host: Host) -> EngineProcess:
    """The engine of a host that is up, started or found, ready to answer."""
    engine = engine_of(host)
    with uninterrupted():
        engine.pid = started.pid(host.name)
        if not engine.pid:
            engine.launch()
            started.remember(host.name, engine.pid)
    engine.wait_ready()
    return engine


def compose(*args: str, env: dict[str, str] | None = None) -> None:
    """`pycompose` on the shop."""
    command = [str(BIN / "pycompose"), "-f", str(SHOP / "compose.yaml"), *args]
    subprocess.run(command, env={**os.environ, **ENVIRONMENT, **(env or {})}, check=True)


def build_everywhere(engines: list[EngineProcess]) -> None:
    """The image must be on each node that may run it: no registry is needed."""
    shutil.copy2("/bin/busybox", SHOP / "busybox")
    for engine in engines:
        print(f"  on {engine.host.name}:", flush=True)
        compose("build", env={"DOCKER_HOST": engine.socket})


def start_manager(started: Started, engines: list[EngineProcess]) -> None:
    """`pyswarm manage` over the nodes, started or found, once all of them are healthy."""
    nodes = ",".join(f"{engine.host.ip}:{engine.port}" for engine in engines)
    command = [str(BIN / "pyswarm"), "manage", "-H", MANAGER, "--strategy", "spread", f"nodes://{nodes}"]
    log = BASE / "manager.log"
    with uninterrupted():
        if not started.pid("manager"):
            print("  " + " ".join(["pyswarm", *command[1:]]))
            started.remember("manager", spawn(command, log))
    deadline = time.monotonic() + 30
    while _healthy_nodes() < len(engines):
        if not started.pid("manager") or time.monotonic() > deadline:
            raise RuntimeError(f"the manager did not come up:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


def ask(path: str) -> object:
    """GET from the manager's Docker API."""
    with urllib.request.urlopen(MANAGER.replace("tcp", "http") + path, timeout=10) as answer:
        return json.load(answer)


def _healthy_nodes() -> int:
    try:
        info = ask("/info")
    except OSError:
        return 0
    assert isinstance(info, dict)
    rows = info.get("SystemStatus") or []
    return sum(1 for row in rows if row[0].strip().endswith("Status") and row[1] == "Healthy")


def show_cluster() -> None:
    """Nodes, and containers with where they run."""
    info = ask("/info")
    assert isinstance(info, dict)
    for key, value in info.get("SystemStatus") or []:
        if not key.strip().endswith(("ID", "UpdatedAt", "Labels", "Error")):
            print(f"  {key}: {value}")
    containers = ask("/containers/json")
    assert isinstance(containers, list)
    print(f"\n  {'CONTAINER':14}{'NODE/NAME':24}{'STATUS':26}PORTS")
    for c in sorted(containers, key=lambda c: str(c["Names"][0])):
        ports = ", ".join(
            f"{p['IP']}:{p['PublicPort']}->{p['PrivatePort']}" for p in c["Ports"] if "PublicPort" in p
        )
        print(f"  {c['Id'][:12]:14}{c['Names'][0].strip('/'):24}{c['Status']:26}{ports}")


def fetch(url: str) -> str:
    """The page behind a published port; a container that has just started gets some time."""
    deadline = time.monotonic() + 15
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def up() -> None:
    """Bring everything up, or find it up."""
    begun = time.monotonic()
    BASE.mkdir(mode=0o711, exist_ok=True)
    started = Started.load()
    say("Three engines, as three hosts on the bridge " + WIRE.bridge)
    WIRE.lay()
    engines = [start_node(started, name, address) for name, address in NODES.items()]
    say("The image, built on each of them from examples/shop/Dockerfile")
    build_everywhere(engines)
    say(f"One Docker endpoint for all of them: {MANAGER}")
    start_manager(started, engines)
    say("The shop: pycompose up -d, against that endpoint")
    compose("up", "-d")
    say("The cluster")
    show_cluster()
    for engine in engines:
        url = f"http://{engine.host.ip}:8080/"
        say(f"The page, from {engine.host.name}: GET {url}")
        print(fetch(url))
    print(NEXT.format(seconds=time.monotonic() - begun, bin=BIN, shop=SHOP, **ENVIRONMENT))
    if shutil.which("docker") is None:
        print(NO_DOCKER)


NEXT = """The demo took {seconds:.0f} s and leaves the cluster running. Try next:

  export PATH={bin}:$PATH DOCKER_HOST={DOCKER_HOST}
  export STOCK_PLACEMENT={STOCK_PLACEMENT} STOCK_HOST={STOCK_HOST}
  docker info                              # the nodes, as one engine (any docker CLI; or pydocker info)
  docker ps                                # where everything runs
  docker run --rm dockyard-shop hostname   # a container, somewhere
  docker run --rm -e constraint:tier==back dockyard-shop hostname
  pycompose -f {shop}/compose.yaml ps
  pycompose -f {shop}/compose.yaml logs web
  make demo-down                           # removes all of it
"""
NO_DOCKER = """There is no docker CLI here: Debian's package docker.io brings one (no daemon needs to run).
Until then: pydocker info, pydocker ps, pycompose -f … run --rm web hostname.
"""


def down() -> None:
    """Remove containers, processes, hosts, bridge and data; what is not there is no error."""
    started = Started.load()
    if not BASE.exists():
        print("The demo is not there.")
        return
    manager = started.pid("manager")
    if manager:
        end(manager)
    for name in NODES:
        host = started.host(name)
        if host is None:
            continue
        engine = running_engine(started, host)
        _remove_containers(engine)
        engine.remove()
        host.shut_down()
        _remove_cgroup(engine.cgroup_parent)
    WIRE.remove()
    shutil.rmtree(BASE, ignore_errors=True)
    (SHOP / "busybox").unlink(missing_ok=True)
    print("The demo is gone.")


def _remove_containers(engine: EngineProcess) -> None:
    """Through the API, so that namespaces, cgroups and processes go in order."""
    import asyncio

    from engine.client import DockerClient

    async def remove_all() -> None:
        async with DockerClient(engine.socket) as docker:
            for container in await docker.containers(all=True):
                await docker.json(
                    "DELETE", f"/containers/{container['Id']}", params={"force": True, "v": True}
                )

    asyncio.run(remove_all())


def _remove_cgroup(parent: str) -> None:
    root = Path("/sys/fs/cgroup")
    for hierarchy in (root, *root.iterdir()):
        try:
            (hierarchy / parent.strip("/")).rmdir()
        except OSError:
            pass  # not in this hierarchy


def main() -> None:
    """Run `up` or `down`."""
    if os.geteuid() != 0:
        sys.exit("The demo makes namespaces, so it must run as root: sudo make demo")
    verbs = {"up": up, "down": down}
    verb = verbs.get(sys.argv[1] if len(sys.argv) == 2 else "")
    if verb is None:
        sys.exit("usage: python -m examples.cluster.demo up|down")
    try:
        verb()
    except (RuntimeError, OSError, subprocess.CalledProcessError) as exc:
        sys.exit(f"The demo failed: {exc}\nLogs are below {BASE}; `make demo-down` cleans up.")
    except KeyboardInterrupt:
        print("\nInterrupted. `make demo` goes on from here, `make demo-down` removes what there is.")
        sys.exit(130)


if __name__ == "__main__":
    main()
