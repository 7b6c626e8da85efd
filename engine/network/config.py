"""What the daemon's flags say about networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class NetworkConfig:
    """bridge: the default network's link, "none" for no default network. bip: its gateway in CIDR
    notation, "" to choose. ip: where ports are published by default. dns…: for containers that
    don't say; empty means the host's. host_gateway_ip: what ``host-gateway`` stands for, "" for
    the default network's gateway.
    """

    exec_root: Path
    bridge: str = "pydocker0"
    bip: str = ""
    mtu: int = 1500
    icc: bool = True
    ip: str = "0.0.0.0"
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_opts: tuple[str, ...] = ()
    host_gateway_ip: str = ""
