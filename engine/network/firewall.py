"""The packet rules: one nftables table a daemon, whose sets and maps change and whose rules do not.

    hook         chain        what it does
    prerouting   guard        containers can't reach the host's 127.0.0.0/8
                 publish      a local address and published port becomes container and port
    output       publish      the same for connections from the host itself
    forward      administrator  empty, and ours never to touch: rules of the machine's owner come first
                 forward      same network, replies, published ports and outgoing traffic pass;
                              other networks, and ports that are not published, do not
    postrouting  masquerade   out of a bridge into the world; a container to a published port
                              ("hairpin"); the host's 127.0.0.1 to a published port

To add a rule that survives restarts of the daemon:
``nft add rule inet dockyard-pydocker0 administrator ip saddr 203.0.113.0/24 drop``
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from engine.driverapi.network import PortBinding
from engine.errdefs import SystemFailure
from engine.linux.nft import Nftables, NftError
from engine.network import coexist

log = logging.getLogger(__name__)

# The first part makes what is missing, the second writes the rules anew; both are one change. Sets
# and maps keep what an earlier daemon put there until `commit` and `publish_only`, so that a restart
# is invisible to traffic.
RULES = """
table inet {table} {{
  set bridges {{ type ifname; }}
  set internal {{ type ifname; }}
  set subnets {{ type ipv4_addr; flags interval; }}
  set outgoing {{ type ipv4_addr; flags interval; }}
  map publish_any {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
  map publish_address {{ type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; }}
  chain administrator {{
  }}
  chain guard {{ type filter hook prerouting priority raw; policy accept;
  }}
  chain same {{
  }}
  chain publish {{
  }}
  chain prerouting {{ type nat hook prerouting priority dstnat; policy accept;
  }}
  chain output {{ type nat hook output priority -100; policy accept;
  }}
  chain forward {{ type filter hook forward priority filter; policy accept;
  }}
  chain postrouting {{ type nat hook postrouting priority srcnat; policy accept;
  }}
}}
flush chain inet {table} guard
flush chain inet {table} same
flush chain inet {table} publish
flush chain inet {table} prerouting
flush chain inet {table} output
flush chain inet {table} forward
flush chain inet {table} postrouting
table inet {table} {{
  chain guard {{
    iifname @bridges ip daddr 127.0.0.0/8 drop
  }}
  chain publish {{
    dnat ip to meta l4proto . ip daddr . th dport map @publish_address
    dnat ip to meta l4proto . th dport map @publish_any
  }}
  chain prerouting {{
    fib daddr type local jump publish
  }}
  chain output {{
    fib daddr type local jump publish
  }}
  chain forward {{
    jump administrator
    iifname @bridges ct state established,related accept
    oifname @bridges ct state established,related accept
    iifname @bridges oifname @bridges jump same
    iifname @internal drop
    oifname @bridges ct status dnat accept
    oifname @bridges drop
    iifname @bridges accept
  }}
  chain postrouting {{
    oifname != @bridges ip saddr @outgoing masquerade
    oifname @bridges ct status dnat ip saddr @subnets masquerade
    oifname @bridges ip saddr 127.0.0.0/8 masquerade
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class BridgeRules:
    """What one bridge adds. icc: whether containers on it may talk to each other."""

    name: str
    subnet: str
    icc: bool = True
    internal: bool = False
    masquerade: bool = True


class Firewall:
    """The table of one daemon; `suffix` keeps it apart from another's in the same namespace."""

    def __init__(self, suffix: str) -> None:
        self.table = f"dockyard-{suffix}"
        self._nft: Nftables | None = None
        self._lock = threading.Lock()
        self._bridges: dict[str, BridgeRules] = {}
        self._collecting = True

    def open(self) -> None:
        """Load the rules. Bridges are collected from here on, and take effect with `commit`."""
        rules = RULES.format(table=self.table)
        try:
            self._nft = Nftables()
            try:
                self._nft.run(rules)
            except NftError as exc:
                log.warning("the table %s does not fit and is made anew: %s", self.table, exc)
                self._nft.run(f"add table inet {self.table}\ndelete table inet {self.table}\n{rules}")
        except NftError as exc:
            raise SystemFailure(f"cannot set up the packet filter: {exc}") from exc

    def commit(self) -> None:
        """Filter exactly the bridges that were added since `open`; later changes take effect at once."""
        with self._lock:
            self._collecting = False
            self._rewrite()

    def close(self) -> None:
        """Let go of the library; the rules stay."""
        if self._nft is not None:
            self._nft.close()
            self._nft = None

    def add_bridge(self, rules: BridgeRules) -> None:
        """Begin to filter a bridge's traffic; again with the same name replaces."""
        with self._lock:
            self._bridges[rules.name] = rules
            self._rewrite()

    def remove_bridge(self, name: str) -> None:
        """Stop; an unknown one is no error."""
        with self._lock:
            if self._bridges.pop(name, None) is not None:
                self._rewrite()

    def publish(self, address: str, ports: Iterable[PortBinding]) -> None:
        """Send host ports to the container at `address`."""
        self._run(self._additions(address, ports))

    def publish_only(self, published: Iterable[tuple[str, Iterable[PortBinding]]]) -> None:
        """Publish these (address of a container, its ports) and nothing else, in one change."""
        flush = f"flush map inet {self.table} publish_any\nflush map inet {self.table} publish_address"
        self._run("\n".join([flush, *(self._additions(address, ports) for address, ports in published)]))

    def withdraw(self, ports: Iterable[PortBinding]) -> None:
        """Undo `publish`; what is not published is no error."""
        bindings = list(ports)
        elements = [self._element(port) for port in bindings]
        try:
            self._run(self._each("delete", bindings, elements))
        except SystemFailure:
            # One of them was not there, so none was deleted: one by one.
            for port, element in zip(bindings, elements, strict=True):
                try:
                    self._run(self._each("delete", [port], [element]))
                except SystemFailure as exc:
                    log.debug("port %s was not published: %s", port.host_port, exc)

    def forget(self) -> None:
        """Remove the table."""
        self._run(f"delete table inet {self.table}")

    def _rewrite(self) -> None:
        """Fill the sets from the bridges known, and the rules for traffic inside one bridge."""
        if self._collecting:
            return
        bridges = self._bridges.values()
        contents = {
            "bridges": [f'"{bridge.name}"' for bridge in bridges],
            "internal": [f'"{bridge.name}"' for bridge in bridges if bridge.internal],
            "subnets": [bridge.subnet for bridge in bridges],
            "outgoing": [b.subnet for b in bridges if b.masquerade and not b.internal],
        }
        lines = []
        for name, elements in contents.items():
            lines.append(f"flush set inet {self.table} {name}")
            if elements:
                lines.append(f"add element inet {self.table} {name} {{ {', '.join(elements)} }}")
        lines.append(f"flush chain inet {self.table} same")
        lines.extend(
            f'add rule inet {self.table} same iifname "{bridge.name}" oifname "{bridge.name}" accept'
            for bridge in bridges
            if bridge.icc
        )
        self._run("\n".join(lines))
        self._pass_foreign_chain()

    def _additions(self, address: str, ports: Iterable[PortBinding]) -> str:
        bindings = list(ports)
        target = f" : {address} . "
        elements = [self._element(port) + target + str(port.container_port) for port in bindings]
        return self._each("add", bindings, elements)

    def _each(self, verb: str, ports: Iterable[PortBinding], elements: list[str]) -> str:
        lines = []
        for port, element in zip(ports, elements, strict=True):
            name = "publish_any" if port.host_ip in ("", "0.0.0.0") else "publish_address"
            lines.append(f"{verb} element inet {self.table} {name} {{ {element} }}")
        return "\n".join(lines)

    @staticmethod
    def _element(port: PortBinding) -> str:
        if port.host_ip in ("", "0.0.0.0"):
            return f"{port.proto} . {port.host_port}"
        return f"{port.proto} . {port.host_ip} . {port.host_port}"

    def _run(self, commands: str) -> None:
        if not commands:
            return
        if self._nft is None:
            raise SystemFailure("the packet filter is not open")
        try:
            self._nft.run(commands)
        except NftError as exc:
            raise SystemFailure(f"the packet filter refused a change: {exc}") from exc

    def _pass_foreign_chain(self) -> None:
        """Keep rules for our bridges in an iptables chain FORWARD that would drop their traffic."""
        if self._nft is None:
            return
        try:
            listing = self._nft.run(f"list chain {coexist.FORWARD}")
        except NftError:
            return  # there is no such chain
        try:
            if commands := coexist.changes(listing, self.table, list(self._bridges)):
                self._nft.run(commands)
        except NftError as exc:
            log.warning(
                "the chain FORWARD of iptables drops by default, and rules for our bridges can't be put "
                "there: containers will not reach other hosts (iptables -P FORWARD ACCEPT helps): %s",
                exc,
            )
