"""The daemon's configuration as one frozen value.

`engine.daemon.options` lists what can be set and how it is called; `engine.daemon.configfile` merges
flags and file into this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_HOST = "unix:///run/pydocker.sock"
DEFAULT_CONFIG_FILE = "/etc/pydocker/daemon.json"


@dataclass(frozen=True, slots=True)
class DaemonConfig:
    """What the daemon runs with. Names are the flags', with underscores.

    hosts: where to listen. group: owner group of unix sockets. default_ulimits: name → (soft, hard).
    mtu: 0 is what the host's default route has. log_level: debug, info, warn, error.
    shutdown_timeout: seconds that open requests get to finish.
    """

    hosts: tuple[str, ...] = (DEFAULT_HOST,)
    group: str = "docker"
    data_root: Path = Path("/var/lib/pydocker")
    exec_root: Path = Path("/run/pydocker")
    pidfile: Path = Path("/run/pydocker.pid")
    config_file: Path = Path(DEFAULT_CONFIG_FILE)
    labels: tuple[str, ...] = ()
    storage_driver: str = ""
    storage_opts: tuple[str, ...] = ()
    bip: str = ""
    bridge: str = ""
    mtu: int = 0
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_opts: tuple[str, ...] = ()
    icc: bool = True
    ip: str = "0.0.0.0"
    host_gateway_ip: str = ""
    userland_proxy: bool = True
    tls: bool = False
    tlsverify: bool = False
    tlscacert: Path = Path("/etc/pydocker/ca.pem")
    tlscert: Path = Path("/etc/pydocker/server-cert.pem")
    tlskey: Path = Path("/etc/pydocker/server-key.pem")
    debug: bool = False
    log_level: str = "info"
    log_driver: str = "json-file"
    log_opts: Mapping[str, str] = field(default_factory=dict)
    insecure_registries: tuple[str, ...] = ()
    registry_mirrors: tuple[str, ...] = ()
    cgroup_parent: str = "/pydocker"
    default_ulimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    default_shm_size: int = 64 << 20
    live_restore: bool = True
    shutdown_timeout: int = 15

    @property
    def level(self) -> str:
        """The log level that counts: `debug` wins."""
        return "debug" if self.debug else self.log_level

    @property
    def bridge_name(self) -> str:
        """The link of the default network; "none" if there shall be no such network."""
        return self.bridge or "pydocker0"
