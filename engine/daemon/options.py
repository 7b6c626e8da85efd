"""What can be configured: one table, under dockerd's names.

The command line is built from it and the configuration file is read by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.daemon.config import DaemonConfig


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that can be configured.

    flag: its long flag. key: its name in the file, "" if it is no part of that. attribute: the
    member of DaemonConfig. kind: str, bool, int, path, list (repeatable), map (repeatable k=v),
    ulimit, size. reload: whether SIGHUP takes it over from the file.
    """

    flag: str
    key: str
    attribute: str
    kind: str
    help: str
    short: str = ""
    metavar: str = ""
    reload: bool = False

    @property
    def default(self) -> Any:
        """The value without flag and file."""
        return getattr(DaemonConfig(), self.attribute)


OPTIONS: tuple[Option, ...] = (
    Option("host", "hosts", "hosts", "list", "Daemon socket(s) to connect to", "H"),
    Option("group", "group", "group", "str", "Group for the unix socket", "G"),
    Option("data-root", "data-root", "data_root", "path", "Root directory of persistent state"),
    Option("exec-root", "exec-root", "exec_root", "path", "Root directory for execution state files"),
    Option("pidfile", "pidfile", "pidfile", "path", "Path to use for daemon PID file", "p"),
    Option("config-file", "", "config_file", "path", "Daemon configuration file"),
    Option("label", "labels", "labels", "list", "Set key=value labels to the daemon", reload=True),
    Option("storage-driver", "storage-driver", "storage_driver", "str", "Storage driver to use", "s"),
    Option("storage-opt", "storage-opts", "storage_opts", "list", "Storage driver options"),
    Option("bip", "bip", "bip", "str", "IPv4 address and prefix length of the default bridge"),
    Option("bridge", "bridge", "bridge", "str", "Attach containers to this bridge (default pydocker0)", "b"),
    Option("mtu", "mtu", "mtu", "int", "Set the MTU of the default bridge network"),
    Option("dns", "dns", "dns", "list", "DNS server to use"),
    Option("dns-search", "dns-search", "dns_search", "list", "DNS search domains to use"),
    Option("dns-opt", "dns-opts", "dns_opts", "list", "DNS options to use"),
    Option("icc", "icc", "icc", "bool", "Enable inter-container communication for the default bridge"),
    Option("ip", "ip", "ip", "str", "Host IP when binding container ports, where a container names none"),
    Option(
        "host-gateway-ip",
        "host-gateway-ip",
        "host_gateway_ip",
        "str",
        "IP that 'host-gateway' in --add-host stands for (default the bridge's)",
    ),
    Option(
        "userland-proxy",
        "userland-proxy",
        "userland_proxy",
        "bool",
        "Accepted; loopback traffic needs no proxy process here",
    ),
    Option("tls", "tls", "tls", "bool", "Use TLS; implied by --tlsverify"),
    Option("tlsverify", "tlsverify", "tlsverify", "bool", "Use TLS and verify the remote"),
    Option("tlscacert", "tlscacert", "tlscacert", "path", "Trust certs signed only by this CA"),
    Option("tlscert", "tlscert", "tlscert", "path", "Path to TLS certificate file"),
    Option("tlskey", "tlskey", "tlskey", "path", "Path to TLS key file"),
    Option("debug", "debug", "debug", "bool", "Enable debug mode", "D", reload=True),
    Option(
        "log-level",
        "log-level",
        "log_level",
        "str",
        "Set the logging level (debug, info, warn, error, fatal)",
        "l",
        reload=True,
    ),
    Option("log-driver", "log-driver", "log_driver", "str", "Default driver for container logs"),
    Option("log-opt", "log-opts", "log_opts", "map", "Default log driver options for containers"),
    Option(
        "insecure-registry",
        "insecure-registries",
        "insecure_registries",
        "list",
        "Enable insecure registry communication",
        reload=True,
    ),
    Option(
        "registry-mirror",
        "registry-mirrors",
        "registry_mirrors",
        "list",
        "Preferred registry mirror",
        reload=True,
    ),
    Option("cgroup-parent", "cgroup-parent", "cgroup_parent", "str", "Set parent cgroup for all containers"),
    Option(
        "default-ulimit", "default-ulimits", "default_ulimits", "ulimit", "Default ulimits for containers"
    ),
    Option(
        "default-shm-size",
        "default-shm-size",
        "default_shm_size",
        "size",
        "Default shm size for containers",
    ),
    Option(
        "live-restore",
        "live-restore",
        "live_restore",
        "bool",
        "Accepted; containers always outlive the daemon",
        reload=True,
    ),
    Option(
        "shutdown-timeout",
        "shutdown-timeout",
        "shutdown_timeout",
        "int",
        "Set the shutdown timeout in seconds",
        reload=True,
    ),
)
