"""Bridge networks: a Linux bridge each, a veth pair for each container, NAT by the daemon's firewall.

Options, with dockerd's keys: `com.docker.network.bridge.name`, `.enable_icc`, `.enable_ip_masquerade`,
`com.docker.network.driver.mtu`. Where they are absent the daemon's defaults count.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from engine.driverapi.network import EndpointSpec, NetworkSpec
from engine.errdefs import InvalidParameter, SystemFailure
from engine.linux import netlink, netns
from engine.network.context import DriverContext
from engine.network.firewall import BridgeRules
from engine.network.ipam import mac_of

NAME = "com.docker.network.bridge.name"
ICC = "com.docker.network.bridge.enable_icc"
MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
MTU = "com.docker.network.driver.mtu"
FALSE = frozenset(("0", "f", "false"))
IFNAMSIZ = 15


class BridgeDriver:
    """Driver `bridge`."""

    name = "bridge"

    def __init__(self, context: DriverContext) -> None:
        self._context = context

    def create_network(self, network: NetworkSpec) -> None:
        """Make or adopt the bridge, give it the gateway's address, begin to filter."""
        name = bridge_name(network)
        route = self._context.netlink()
        cidr = _gateway_cidr(network)
        try:
            link = route.link(name)
            if link is None:
                made = netlink.bridge(
                    name, mac=_bridge_mac(cidr), mtu=self._mtu(network), alias=_alias(network)
                )
                route.execute(*made)
                link = route.link(name)
            assert link is not None
            if link.kind != "bridge":
                raise InvalidParameter(f"existing interface {name} is not a bridge")
            # One that has its address may have others too; one that has not had an earlier subnet.
            present = route.addresses(link.index)
            stale = [] if cidr in present else present
            route.execute(
                *(netlink.address_delete(link.index, address) for address in stale),
                *((netlink.address_add(link.index, cidr),) if cidr else ()),
                netlink.link_up(link.index),
            )
        except OSError as exc:
            raise SystemFailure(f"cannot set up bridge {name}: {exc.strerror}") from exc
        # Lets 127.0.0.1:published leave through the bridge; the chain `guard` closes the way back in.
        self._context.sysctl(f"ipv4/conf/{name}/route_localnet", "1")
        self._context.firewall.add_bridge(
            BridgeRules(
                name,
                network.subnets[0].subnet if network.subnets else "",
                icc=self._flag(network, ICC, self._context.icc),
                internal=network.internal,
                masquerade=self._flag(network, MASQUERADE, True),
            )
        )

    def delete_network(self, network: NetworkSpec) -> None:
        """Remove the rules, and the bridge if it was made here and not found."""
        name = bridge_name(network)
        self._context.firewall.remove_bridge(name)
        link = self._context.netlink().link(name)
        if link is not None and link.alias == _alias(network):
            self._delete_link(name)

    def join(self, network: NetworkSpec, endpoint: EndpointSpec, sandbox: Path) -> None:
        """A veth pair from the bridge into the sandbox, then the ports."""
        route = self._context.netlink()
        host_side = veth_name(endpoint)
        if route.link(host_side) is None:
            try:
                self._plug(route, network, endpoint, sandbox)
            except OSError as exc:
                self._delete_link(host_side)
                raise SystemFailure(
                    f"cannot give {endpoint.interface} to the container on {network.name}: {exc.strerror}"
                ) from exc
        if endpoint.ports:
            self._context.firewall.publish(_ip(endpoint), endpoint.ports)

    def _plug(
        self, route: netlink.NetlinkSocket, network: NetworkSpec, endpoint: EndpointSpec, sandbox: Path
    ) -> None:
        bridge = route.link(bridge_name(network))
        if bridge is None:
            raise OSError(errno.ENODEV, f"the bridge {bridge_name(network)} is gone")
        namespace = os.open(sandbox, os.O_RDONLY | os.O_CLOEXEC)
        try:
            route.execute(
                *netlink.veth(
                    veth_name(endpoint),
                    endpoint.interface,
                    peer_ns=namespace,
                    peer_mac=endpoint.mac_address,
                    mtu=self._mtu(network),
                    master=bridge.index,
                    isolated=not self._flag(network, ICC, self._context.icc) and not _bridge_netfilter(),
                )
            )
        finally:
            os.close(namespace)
        with netns.run_in(str(sandbox), netlink.NetlinkSocket) as inside:
            link = inside.link(endpoint.interface)
            assert link is not None
            messages = [netlink.address_add(link.index, address) for address in endpoint.addresses]
            messages.append(netlink.link_up(link.index))
            if endpoint.default_route and network.subnets and not network.internal:
                messages.append(netlink.default_route(network.subnets[0].gateway))
            inside.execute(*messages)

    def leave(self, network: NetworkSpec, endpoint: EndpointSpec, *, ending: bool = False) -> None:
        """Unpublish; then delete the pair, or (ending) cut it off and let it go with the namespace."""
        if endpoint.ports:
            self._context.firewall.withdraw(endpoint.ports)
        name = veth_name(endpoint)
        if not ending:
            self._delete_link(name)
            return
        try:
            self._context.netlink().execute(netlink.port_disable(name))
        except OSError as exc:
            if exc.errno not in (errno.ENODEV, errno.EINVAL, errno.EOPNOTSUPP):
                raise SystemFailure(f"cannot take {name} from {network.name}: {exc.strerror}") from exc

    def sweep(self, network: NetworkSpec, live: Callable[[], Collection[str]]) -> None:
        """Delete the bridge's veth links that belong to no live endpoint."""
        route = self._context.netlink()
        bridge = route.link(bridge_name(network))
        if bridge is None:
            return
        found = [link.name for link in route.links() if link.master == bridge.index and link.kind == "veth"]
        wanted = {_veth_name(endpoint) for endpoint in live()}
        for name in found:
            if name not in wanted:
                self._delete_link(name)

    def _delete_link(self, name: str) -> None:
        try:
            self._context.netlink().execute(netlink.link_delete(name))
        except OSError as exc:
            if exc.errno != errno.ENODEV:
                raise SystemFailure(f"cannot delete the link {name}: {exc.strerror}") from exc

    def _mtu(self, network: NetworkSpec) -> int:
        text = network.options.get(MTU, "")
        if text and not text.isdigit():
            raise InvalidParameter(f"invalid value for {MTU}: {text!r} is not a number")
        return int(text or self._context.mtu)

    def _flag(self, network: NetworkSpec, key: str, default: bool) -> bool:
        text = network.options.get(key)
        return default if not text else text.lower() not in FALSE


def bridge_name(network: NetworkSpec) -> str:
    """The link's name; InvalidParameter if it can't be one."""
    name = network.options.get(NAME) or f"br-{network.id[:12]}"
    if len(name) > IFNAMSIZ or "/" in name or any(c.isspace() or c in '"{}' for c in name):
        raise InvalidParameter(
            f"invalid bridge name {name!r}: up to {IFNAMSIZ} characters without / or spaces"
        )
    return name


def _alias(network: NetworkSpec) -> str:
    """Marks a bridge as made for this network."""
    return f"dockyard network {network.id}"


def veth_name(endpoint: EndpointSpec) -> str:
    """The host's end of an endpoint's veth pair."""
    return _veth_name(endpoint.id)


def _veth_name(endpoint_id: str) -> str:
    return f"veth{endpoint_id[:10]}"


def _gateway_cidr(network: NetworkSpec) -> str:
    if not network.subnets:
        return ""
    prefix = network.subnets[0].subnet.partition("/")[2]
    return f"{network.subnets[0].gateway}/{prefix}"


def _bridge_mac(cidr: str) -> str:
    """Fixed, so that it does not change with the ports that come and go."""
    return mac_of(IPv4Interface(cidr).ip) if cidr else mac_of(IPv4Address(int.from_bytes(os.urandom(4))))


def _ip(endpoint: EndpointSpec) -> str:
    return endpoint.addresses[0].partition("/")[0]


def _bridge_netfilter() -> bool:
    """Whether bridged packets pass the forward chain too (br_netfilter, which Docker loads).

    Then the chain keeps containers apart; isolated ports would also cut connections to published
    ports, since br_netfilter bridges those that stay on one bridge.
    """
    try:
        return Path("/proc/sys/net/bridge/bridge-nf-call-iptables").read_text().strip() == "1"
    except OSError:
        return False
