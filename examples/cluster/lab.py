"""Hosts on one machine: each has network, mount and UTS namespaces of its own, and an address on a bridge.

A host is held by a process that only sleeps; commands enter it with nsenter(1). The disk is shared,
so a unix socket made inside a host is reachable from outside; mounts and links are not shared.

    root namespace                  node1                  node2
    ┌───────────────┐        ┌───────────────┐      ┌───────────────┐
    │ bridge .1 ────┼─veth───┤ eth0 .11      │      │ eth0 .12      │
    │           ────┼─veth───┼───────────────┼──────┤               │
    └───────────────┘        └───────────────┘      └───────────────┘
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from pyroute2 import IPRoute, NetlinkError


def run(*command: str, check: bool = True) -> str:
    """Run a command of the system; its output, or an error that shows what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)} exited {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def ip_of(address: str) -> str:
    """``"10.0.0.1/24"`` → ``"10.0.0.1"``."""
    return address.partition("/")[0]


def prefix_of(address: str) -> int:
    """``"10.0.0.1/24"`` → ``24``."""
    return int(address.partition("/")[2])


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def start_time(pid: int) -> str:
    """When a process began, in clock ticks since boot: with the pid it names one process for good."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def end(pid: int, *, grace: float = 10.0) -> None:
    """Terminate a process of ours, kill it after `grace` seconds, and wait until it is gone."""
    for sig, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                os.waitpid(pid, os.WNOHANG)  # ours to reap if we started it
            except ChildProcessError:
                pass
            if not alive(pid):
                return
            time.sleep(0.01)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C and its like wait until the block is done: what is made must be written down."""
    arrived: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        arrived.append(number)

    before = {
        number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in arrived:
            signal.raise_signal(late)


@dataclass
class Host:
    """One host. `address` is its IPv4 address with prefix length once it is plugged in."""

    name: str
    pid: int
    address: str = ""
    started: str = ""
    env: dict[str, str] = field(default_factory=dict)

    @classmethod
    def boot(cls, name: str) -> Host:
        """Make the namespaces; loopback is up."""
        holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--propagation", "private", "sh", "-c",
             'hostname "$0"; echo ready; exec sleep infinity', name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it outlives us, and whoever reads ours should see the end
            text=True,
            start_new_session=True,
        )  # fmt: skip
        assert holder.stdout is not None
        with holder.stdout:
            if holder.stdout.readline() != "ready\n":
                raise RuntimeError(f"host {name} did not come up (unshare and hostname are needed, as root)")
        holder.returncode = 0  # it outlives us; `end` reaps it
        host = cls(name, holder.pid, started=start_time(holder.pid))
        with IPRoute(netns=host.netns) as links:
            links.link("set", index=links.link_lookup(ifname="lo")[0], state="up")
        return host

    @property
    def ip(self) -> str:
        """The address without its prefix length."""
        return ip_of(self.address)

    @property
    def netns(self) -> str:
        """Its network namespace, as a path."""
        return f"/proc/{self.pid}/ns/net"

    @property
    def up(self) -> bool:
        """Whether the holder is still the process we started."""
        return alive(self.pid) and (not self.started or start_time(self.pid) == self.started)

    def enter(self, *command: str) -> list[str]:
        """The command line that runs `command` inside; -r because this machine may be a chroot."""
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-u", "-r", "--", *command]

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command inside and return its output."""
        return run(*self.enter(*command), check=check)

    def spawn(self, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> int:
        """Start a program inside that outlives us; output goes to `log`. Returns its pid.

        nsenter execs the program, so the pid is the program's own.
        """
        return spawn(self.enter(*command), log, {**self.env, **(env or {})})

    def await_port(self, port: int, *, timeout: float = 20.0) -> None:
        """Wait until some program inside listens on a TCP port."""
        listening = re.compile(
            rf"^ *\d+: [0-9A-F]+:{port:04X} \S+ 0A ", re.MULTILINE
        )  # proc_net_tcp(5), LISTEN
        deadline = time.monotonic() + timeout
        while not any(
            listening.search(Path(f"/proc/{self.pid}/net/{f}").read_text()) for f in ("tcp", "tcp6")
        ):
            if time.monotonic() > deadline:
                raise RuntimeError(f"nobody listens on port {port} of {self.name} after {timeout:g} s")
            time.sleep(0.02)

    def shut_down(self) -> None:
        """End the holder; the namespaces go with their last process."""
        if self.up:
            end(self.pid, grace=0.5)


def spawn(command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> int:
    """Start a program that outlives us, its output appended to `log`; returns its pid."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            env={**os.environ, **(env or {})}, start_new_session=True,
        )  # fmt: skip
    process.returncode = 0  # not ours to wait for: `end` reaps it
    return process.pid


@dataclass
class Wire:
    """A bridge that hosts are plugged into. `inside`: the host that holds it, None for this machine."""

    bridge: str
    address: str
    inside: Host | None = None

    @contextmanager
    def _links(self) -> Iterator[IPRoute]:
        try:
            with IPRoute(netns=self.inside.netns) if self.inside else IPRoute() as links:
                yield links
        except NetlinkError as exc:
            raise RuntimeError(f"the kernel refused to set up the bridge {self.bridge}: {exc}") from exc

    def lay(self) -> None:
        """Make the bridge, unless it is there; one that an interrupt left half made is finished."""
        with self._links() as links:
            if not links.link_lookup(ifname=self.bridge):
                links.link("add", ifname=self.bridge, kind="bridge")
            (index,) = links.link_lookup(ifname=self.bridge)
            if not list(links.get_addr(index=index, address=ip_of(self.address))):
                links.addr("add", index=index, address=ip_of(self.address), prefixlen=prefix_of(self.address))
            links.link("set", index=index, state="up")

    def plug(self, host: Host, address: str) -> None:
        """Connect a host's eth0 to the bridge, with `address` and a default route by the bridge.

        A port of that address is made anew: it was of a host that is dying, or half made.
        """
        port = f"{self.bridge[:8]}p{ip_of(address).rpartition('.')[2]}"
        with self._links() as links:
            for index in links.link_lookup(ifname=port):
                links.link("del", index=index)
            links.link("add", ifname=port, kind="veth", peer={"ifname": "eth0", "net_ns_pid": host.pid})
            (bridge,), (index,) = links.link_lookup(ifname=self.bridge), links.link_lookup(ifname=port)
            links.link("set", index=index, master=bridge, state="up")
        with IPRoute(netns=host.netns) as links:
            (index,) = links.link_lookup(ifname="eth0")
            links.addr("add", index=index, address=ip_of(address), prefixlen=prefix_of(address))
        host.address = address
        self.mend(host)

    def cut(self, host: Host) -> None:
        """Unplug a host, as a pulled cable does."""
        with IPRoute(netns=host.netns) as links:
            links.link("set", index=links.link_lookup(ifname="eth0")[0], state="down")

    def mend(self, host: Host) -> None:
        """Plug it in again; the default route went with the link."""
        with IPRoute(netns=host.netns) as links:
            links.link("set", index=links.link_lookup(ifname="eth0")[0], state="up")
            links.route("add", dst="default", gateway=ip_of(self.address))

    def remove(self) -> None:
        """Take the bridge away; its ports go with their hosts."""
        with self._links() as links:
            for index in links.link_lookup(ifname=self.bridge):
                links.link("del", index=index)


@dataclass
class EngineProcess:
    """`pydocker daemon` on a host, with roots of its own below `directory`."""

    host: Host
    directory: Path
    pydocker: Path
    options: tuple[str, ...] = ()
    port: int = 2375
    pid: int = 0

    @property
    def socket(self) -> str:
        """The unix socket as DOCKER_HOST has it."""
        return f"unix://{self.directory}/docker.sock"

    @property
    def log(self) -> Path:
        """What the daemon prints."""
        return self.directory / "daemon.log"

    @property
    def cgroup_parent(self) -> str:
        """No two engines of this machine may share one, so it is named after the directory."""
        return f"/dockyard-{hashlib.sha256(bytes(self.directory)).hexdigest()[:12]}"

    def command(self) -> list[str]:
        """The daemon's command line."""
        d = self.directory
        tcp = [f"--host=tcp://{self.host.ip}:{self.port}"] if self.host.ip else []
        return [
            str(self.pydocker), "daemon", f"--host={self.socket}", *tcp,
            f"--data-root={d}/data", f"--exec-root={d}/exec", f"--pidfile={d}/pid",
            f"--config-file={d}/daemon.json", f"--cgroup-parent={self.cgroup_parent}", *self.options,
        ]  # fmt: skip

    def start(self, *, timeout: float = 30.0) -> None:
        """Start the daemon and wait until its socket answers."""
        self.launch()
        self.wait_ready(timeout=timeout)

    def launch(self) -> None:
        """Start the daemon; `pid` is known at once."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "daemon.json").touch()
        self.pid = self.host.spawn(self.command(), self.log)

    def wait_ready(self, *, timeout: float = 30.0) -> None:
        """Wait until the socket answers. Raises RuntimeError with the log's end if the daemon ends before."""
        deadline = time.monotonic() + timeout
        while not _answers(self.socket):
            if not alive(self.pid) or time.monotonic() > deadline:
                raise RuntimeError(
                    f"the engine on {self.host.name} did not start:\n{self.log.read_text()[-2000:]}"
                )
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the daemon; containers run on."""
        if self.pid and alive(self.pid):
            end(self.pid)

    def kill(self) -> None:
        """kill -9."""
        os.kill(self.pid, signal.SIGKILL)
        end(self.pid, grace=0.0)

    def remove(self) -> None:
        """Stop the daemon and delete its data; its containers must be gone, mounts go with the host."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def _answers(socket_url: str) -> bool:
    import socket

    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.settimeout(5)
            s.connect(socket_url.removeprefix("unix://"))
            s.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in s.recv(100)
        except OSError:
            return False
