"""A host with OpenSSH's sshd and a root view of its own: what `pymachine create -d generic` finds.

The root is an overlay whose upper layer is a tmpfs, so that what is installed there is gone with the
host; /var/lib/pydocker is a tmpfs, since an overlay can't be the upper layer of another one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.cluster.lab import Host, Wire, end

SETUP = r"""
set -e
mount -t tmpfs tmpfs "$1"
mkdir -p "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
r="$1/root"
for d in proc sys dev; do mount --rbind "/$d" "$r/$d"; done
mount -t tmpfs tmpfs "$r/run"
mount -t tmpfs tmpfs "$r/tmp"
mkdir -p "$r/run/sshd" "$r/var/lib/pydocker" "$r/root/.ssh" "$r/etc/pydocker"
mount -t tmpfs tmpfs "$r/var/lib/pydocker"
cp "$2/key.pub" "$r/root/.ssh/authorized_keys"
cp "$2/host" "$r/etc/ssh/dockyard_host_key"
chmod 700 "$r/root/.ssh"; chmod 600 "$r/root/.ssh/authorized_keys" "$r/etc/ssh/dockyard_host_key"
chown -R 0:0 "$r/root/.ssh"
"""


@dataclass
class SshHost:
    """A host to log into as root with `key`."""

    host: Host
    client: Host
    key: Path
    root: str

    @property
    def ip(self) -> str:
        """Its address, reached from `client`."""
        return self.host.ip


@contextmanager
def ssh_host(
    directory: Path, wire_host: Host, wire: Wire, address: str, name: str = "remote"
) -> Iterator[SshHost]:
    """Boot a host on `wire` (held by `wire_host`) and start its sshd."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in ("key", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / file], check=True)
    host = Host.boot(name)
    stage = directory / "stage"
    stage.mkdir()
    try:
        wire.plug(host, address)
        host.run("sh", "-c", SETUP, "setup", str(stage), str(directory))
        root = f"{stage}/root"
        daemon = host.spawn(
            ["chroot", root, "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null",
             "-h", "/etc/ssh/dockyard_host_key",
             "-o", "PidFile=/run/sshd.pid", "-o", "PermitRootLogin=prohibit-password",
             "-o", "PasswordAuthentication=no", "-o", "UsePAM=no"],
            directory / "sshd.log",
        )  # fmt: skip
        host.await_port(22)
        yield SshHost(host, wire_host, directory / "key", root)
        host.run("chroot", root, "sh", "-c", "test ! -x /usr/local/sbin/pydocker-service || "
                 "/usr/local/sbin/pydocker-service stop", check=False)  # fmt: skip
        end(daemon)
    finally:
        _end_all_in(host)
        host.shut_down()


def _end_all_in(host: Host) -> None:
    """End every process of the host's mount namespace but the holder: they were all started for it."""
    mine = Path(f"/proc/{host.pid}/ns/mnt")
    try:
        namespace = mine.readlink()
    except OSError:
        return
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != host.pid:
            try:
                inside = (entry / "ns/mnt").readlink() == namespace
            except OSError:
                continue
            if inside:
                end(int(entry.name), grace=2.0)
