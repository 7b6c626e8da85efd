"""What the controller lends to network drivers."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path

from engine.linux.netlink import NetlinkSocket
from engine.network.firewall import Firewall

log = logging.getLogger(__name__)


@dataclass
class DriverContext:
    """mtu, icc: defaults for networks that don't say. bridge: the default network's link."""

    firewall: Firewall
    bridge: str = "pydocker0"
    mtu: int = 1500
    icc: bool = True
    _local: threading.local = field(default_factory=threading.local)
    _sockets: list[NetlinkSocket] = field(default_factory=list)

    def netlink(self) -> NetlinkSocket:
        """The calling thread's route socket in the daemon's network namespace."""
        sock: NetlinkSocket | None = getattr(self._local, "netlink", None)
        if sock is None:
            sock = self._local.netlink = NetlinkSocket()
            self._sockets.append(sock)
        return sock

    def sysctl(self, key: str, value: str) -> bool:
        """Set a sysctl below /proc/sys/net of the daemon's namespace; False, and a warning, if refused."""
        path = Path("/proc/sys/net", key)
        try:
            if path.read_text().strip() != value:
                path.write_text(value)
        except OSError as exc:
            log.warning("cannot set net/%s to %s: %s", key, value, exc)
            return False
        return True

    def close(self) -> None:
        """Close the sockets of all threads."""
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()
