"""The networks there are: made, shown and removed. Everything blocks; the controller calls it in threads."""

from __future__ import annotations

import builtins
import logging
import time
from ipaddress import IPv4Network
from typing import Any

from engine.api.filters import Filters
from engine.errdefs import Conflict, DockyardError, Forbidden
from engine.network import predefined, request, view
from engine.network.allocate import Allocator
from engine.network.config import NetworkConfig
from engine.network.fabric import Fabric
from engine.network.model import Network
from engine.network.store import NetworkStore

log = logging.getLogger(__name__)


class Catalog:
    """Changes are made one at a time: the controller sees to that."""

    def __init__(
        self, config: NetworkConfig, store: NetworkStore, allocator: Allocator, fabric: Fabric
    ) -> None:
        self._config = config
        self._store = store
        self._allocator = allocator
        self._fabric = fabric

    def open(self) -> None:
        """Write the predefined networks down and make the kernel objects of all."""
        for network in predefined.networks(self._config, self._store, self._fabric):
            self._store.put_network(network)
        for network in self._store.networks():
            try:
                self._fabric.create(network)
            except DockyardError:
                if network.predefined:
                    raise
                log.exception("network %s cannot be set up", network.name)

    def list(self, filters: Filters) -> builtins.list[dict[str, Any]]:
        """The API's NetworkList."""
        filters.validate(view.FILTERS)
        return [
            view.network_to_api(network)
            for network in self._store.networks()
            if view.selected(network, bool(self._store.endpoints_on(network.id)), filters)
        ]

    def inspect(self, ref: str) -> dict[str, Any]:
        """The API's Network with its containers."""
        network = self._store.resolve(ref)
        return view.network_to_api(network, self._store.endpoints_on(network.id))

    def prunable(self, filters: Filters) -> builtins.list[Network]:
        """Networks that are unused now and that the filters take."""
        filters.validate(view.PRUNE_FILTERS)
        now = time.time()
        return [
            network
            for network in self._store.networks()
            if not self._store.endpoints_on(network.id) and view.prunable(network, filters, now)
        ]

    def create(self, body: dict[str, Any]) -> Network:
        """Make a network from the API's request; nothing is kept of one that fails."""
        wanted = request.parse(body)
        request.check(wanted)
        if self._store.find(wanted.name) is not None:
            raise Conflict(f"network with name {wanted.name} already exists")
        driver = self._fabric.driver(wanted.driver or "bridge")
        if driver.name in ("host", "null"):
            raise Forbidden(f'only one instance of "{driver.name}" network is allowed')
        request.check_bridge_name(wanted, self._store.networks())
        ours = [IPv4Network(pool.subnet) for other in self._store.networks() for pool in other.pools]
        configs = (wanted.ipam.config if wanted.ipam else None) or []
        network = request.network(wanted, request.pools(configs, ours, self._fabric.routes()))
        self._store.put_network(network)
        try:
            self._fabric.create(network)
        except BaseException:
            self._undo(network)
            raise
        return network

    def _undo(self, network: Network) -> None:
        try:
            self._fabric.delete(network)
        except DockyardError as exc:
            log.warning("network %s: %s", network.name, exc)
        self._store.delete_network(network.id)

    def remove(self, network: Network) -> None:
        """Delete a network that no container is on. Nobody can join it from the check on."""
        if network.predefined:
            raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
        with self._store.lock:
            self._store.check_unused(network)
            self._allocator.removing.add(network.id)
        try:
            self._fabric.delete(network)
            self._store.delete_network(network.id)
        finally:
            self._allocator.removing.discard(network.id)
