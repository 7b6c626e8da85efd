"""Networks, sandboxes and endpoints: the face that the rest of the engine sees.

attach   decide (allocate) ─> write down (store) ─> do (fabric) ─> serve names (dns)
detach   stop serving ─> undo ─> forget
restore  records ∩ running containers are made whole, everything else is removed
"""

from __future__ import annotations

import asyncio
import builtins
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from engine.api.filters import NONE as NO_FILTERS
from engine.api.filters import Filters
from engine.db import Database
from engine.errdefs import Conflict, DockyardError, Forbidden, NotFound
from engine.network.allocate import Allocator, next_interface
from engine.network.catalog import Catalog
from engine.network.config import NetworkConfig
from engine.network.dns import DnsServer
from engine.network.fabric import Fabric
from engine.network.model import CONTAINER, HOST, ContainerNet, Endpoint, Network, Sandbox, SandboxRecord
from engine.network.names import NameTable
from engine.network.ports import PortAllocator
from engine.network.present import Presenter
from engine.network.store import NetworkStore

log = logging.getLogger(__name__)
T = TypeVar("T")

SWEEP_AFTER = 3.0
#: The stock of namespaces is filled up when the start that took one is likely to be over.
REFILL_AFTER = 0.03


class Publisher(Protocol):
    """The part of the event bus that is used here."""

    def publish(self, type: str, action: str, actor_id: str, attributes: Mapping[str, str]) -> None:
        """Tell what happened."""
        ...


class NetworkController:
    """One a daemon; used from its event loop."""

    def __init__(self, config: NetworkConfig, db: Database, events: Publisher) -> None:
        self._config = config
        self._events = events
        self._store = NetworkStore(db)
        self._ports = PortAllocator()
        self._allocator = Allocator(self._store, self._ports, default_ip=config.ip)
        self._fabric = Fabric(config, self._store)
        self._catalog = Catalog(config, self._store, self._allocator, self._fabric)
        self._present = Presenter(config, self._store)
        self._dns = DnsServer(NameTable(self._store))
        self._workers = ThreadPoolExecutor(4, "network")
        self._changes = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep_due = self._refill_due = False

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._workers, function, *args)

    async def open(self) -> None:
        """Make the predefined networks and the kernel objects of all."""
        await self._run(self._open)

    def _open(self) -> None:
        self._fabric.open()
        self._catalog.open()
        self._fabric.firewall.commit()
        self._fabric.sandboxes.refill()

    async def close(self) -> None:
        """Stop serving; containers keep their connections."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._dns.close_all()
        await self._run(self._fabric.close)
        self._ports.close()
        self._workers.shutdown(wait=True)

    # Networks

    def resolve(self, ref: str) -> Network:
        """By name, id or a prefix of the id; NotFound ``network x not found``."""
        return self._store.resolve(ref)

    async def list(self, filters: Filters = NO_FILTERS) -> list[dict[str, Any]]:
        """The API's NetworkList."""
        return self._catalog.list(filters)

    async def inspect(self, ref: str, verbose: bool = False) -> dict[str, Any]:
        """The API's Network with its containers. `verbose` adds what only a swarm has: nothing."""
        del verbose
        return self._catalog.inspect(ref)

    async def create(self, body: dict[str, Any]) -> tuple[str, str]:
        """`POST /networks/create`: id and warning."""
        async with self._changes:
            network = await self._run(self._catalog.create, body)
        self._tell("create", network)
        return network.id, ""

    async def remove(self, ref: str) -> None:
        """Delete a network that no container is on."""
        async with self._changes:
            network = self._store.resolve(ref)
            await self._run(self._catalog.remove, network)
        self._tell("destroy", network)

    async def prune(self, filters: Filters = NO_FILTERS) -> builtins.list[str]:
        """Remove unused networks; their names."""
        removed = []
        for network in self._catalog.prunable(filters):
            try:
                await self.remove(network.id)
            except (Forbidden, NotFound):
                continue  # taken into use, or removed, meanwhile
            removed.append(network.name)
        return removed

    # Containers

    async def attach(self, container: ContainerNet) -> Sandbox:
        """Give a container that is about to start its place on its networks.

        Everything is undone if a part fails. A sandbox left of an earlier run is replaced.
        """
        if container.mode.startswith(CONTAINER):
            return self._share(container)
        if self._store.sandbox(container.id) is not None:
            await self.detach(container.id)
        deciding = asyncio.ensure_future(self._run(self._attach, container))
        try:
            record, endpoints = await asyncio.shield(deciding)
            await self._serve_names(record)
            sandbox = self._present.sandbox(record)
        except BaseException:
            # A thread can't be cancelled: what it has made is known, and undone, when it is through.
            await asyncio.wait([deciding])
            deciding.exception()
            await self.detach(container.id)
            raise
        for endpoint in endpoints:
            self._tell("connect", self._store.resolve(endpoint.network_id), container.id)
        self._schedule_refill()
        return sandbox

    def _attach(self, container: ContainerNet) -> tuple[SandboxRecord, builtins.list[Endpoint]]:
        path = "" if container.mode == HOST else str(self._fabric.sandboxes.path(container.id))
        record, endpoints = self._allocator.allocate(container, path)
        try:
            if path:
                self._fabric.bring_up(record, endpoints)
        except BaseException:
            self._undo(record, endpoints)
            raise
        return record, endpoints

    def _undo(self, record: SandboxRecord, endpoints: builtins.list[Endpoint]) -> None:
        try:
            self._fabric.tear_down(record, endpoints)
        except DockyardError as exc:
            # The record goes all the same; the sweeper finds what is left in the kernel.
            log.warning("container %s: %s", record.container_id[:12], exc)
        finally:
            self._allocator.release(record.ports)
            self._store.delete_sandbox(record.container_id)

    def _share(self, container: ContainerNet) -> Sandbox:
        other = container.mode.removeprefix(CONTAINER)
        record = self._store.sandbox(other)
        if record is None:
            raise Conflict(f"cannot join network of a non running container: {other}")
        return self._present.shared(record)

    async def detach(self, container_id: str) -> None:
        """Take an ended container from its networks; one that has no place is no error."""
        record = self._store.sandbox(container_id)
        if record is None:
            return
        endpoints = self._store.endpoints_of(container_id)
        self._dns.close(container_id)
        await self._run(self._undo, record, endpoints)
        for endpoint in endpoints:
            network = self._store.find(endpoint.network_id)
            if network is not None:
                self._tell("disconnect", network, container_id)
        self._schedule_sweep()

    def sandbox(self, container_id: str) -> Sandbox | None:
        """What `attach` returned, as it is now; None if the container has no place."""
        record = self._store.sandbox(container_id)
        return None if record is None else self._present.sandbox(record)

    async def connect(self, ref: str, container: ContainerNet, settings: Mapping[str, Any]) -> Sandbox:
        """Put a running container on one more network; its place as it is then."""
        network = self._store.resolve(ref)
        record, endpoint = await self._run(self._connect, network, container.id, settings)
        try:
            await self._serve_names(record)
        except BaseException:
            await self._run(self._disconnect, network, endpoint)
            raise
        self._tell("connect", network, container.id)
        return self._present.sandbox(record)

    def _connect(
        self, network: Network, container_id: str, settings: Mapping[str, Any]
    ) -> tuple[SandboxRecord, Endpoint]:
        with self._store.lock:
            record = self._record(container_id)
            self._allocator.check_connectable(record, network)
            present = self._store.endpoints_of(container_id)
            endpoint = self._allocator.endpoint(network, record.container, settings, next_interface(present))
            if not record.gateway and (gateway := self._allocator.gateway([endpoint])) is not None:
                record = msgspec.structs.replace(record, gateway=gateway.id)
                record = self._allocator.with_ports(record, gateway)
            self._store.put(record, [endpoint])
        try:
            self._fabric.join(record, endpoint, Path(record.path))
        except BaseException:
            self._disconnect(network, endpoint)
            raise
        return record, endpoint

    async def disconnect(self, ref: str, container: ContainerNet, force: bool = False) -> Sandbox | None:
        """Take a running container from a network; its place as it is then.

        force: the container may be unknown to its own room; `container.id` may then be a name.
        """
        network = self._store.resolve(ref)
        endpoint = self._store.endpoint(network.id, container.id)
        if endpoint is None and force:
            names = (e for e in self._store.endpoints_on(network.id) if container.name == e.container_name)
            endpoint = next(names, None)
        if endpoint is None and force:
            raise NotFound(f"endpoint {container.name} not found")
        if endpoint is None:
            raise Forbidden(f"container {container.id} is not connected to network {network.name}")
        if network.name == HOST:
            raise Forbidden("container cannot be disconnected from host network or connected to host network")
        record = await self._run(self._disconnect, network, endpoint)
        await self._serve_names(record)
        self._tell("disconnect", network, endpoint.container_id)
        return self._present.sandbox(record)

    def _disconnect(self, network: Network, endpoint: Endpoint) -> SandboxRecord:
        record = self._record(endpoint.container_id)
        self._fabric.leave(record, endpoint, ending=False)
        with self._store.lock:
            rest = [e for e in self._store.endpoints_of(endpoint.container_id) if e.id != endpoint.id]
            gateway = self._allocator.gateway(rest)
            moves = endpoint.id == record.gateway
            if moves:
                record = msgspec.structs.replace(record, gateway=gateway.id if gateway else "")
                if gateway is None:
                    self._allocator.release(record.ports)
                    record = msgspec.structs.replace(record, ports=())
            self._store.put(record, removed=[endpoint])
        if moves and gateway is not None:
            self._fabric.move_gateway(record, gateway)
        return record

    async def rename(self, container_id: str, name: str) -> None:
        """Let a container be known by another name from now on."""
        await self._run(self._rename, container_id, name)

    def _rename(self, container_id: str, name: str) -> None:
        with self._store.lock:
            record = self._store.sandbox(container_id)
            if record is None:
                return
            old = record.container.name
            changed = [
                msgspec.structs.replace(
                    endpoint,
                    container_name=name,
                    dns_names=tuple(name if known == old else known for known in endpoint.dns_names),
                )
                for endpoint in self._store.endpoints_of(container_id)
            ]
            container = replace(record.container, name=name)
            self._store.put(msgspec.structs.replace(record, container=container), changed)

    # Restart

    async def restore(self, running: Iterable[str]) -> None:
        """After a daemon restart: `running` are ids of the containers that live.

        Their connections are made whole, their ports held and their names served again; places of
        all others, and whatever the records don't know, are removed.
        """
        alive = set(running)
        for record in self._store.sandboxes():
            if record.container_id not in alive:
                await self.detach(record.container_id)
        await self._run(self._restore)
        for record in self._store.sandboxes():
            try:
                await self._serve_names(record, again=True)
            except DockyardError as exc:
                log.warning("container %s: %s", record.container_id[:12], exc)

    def _restore(self) -> None:
        published = []
        for record in self._store.sandboxes():
            endpoints = self._store.endpoints_of(record.container_id)
            for lost in self._ports.reserve(record.ports):
                log.warning("port %s/%s is used by another program", lost.host_port, lost.proto)
            gateway = next((endpoint for endpoint in endpoints if endpoint.id == record.gateway), None)
            if gateway is not None and record.ports:
                published.append((gateway.ipv4, record.ports))
        self._fabric.publish_only(published)
        for record in self._store.sandboxes():
            if record.path:
                self._fabric.reconnect(record, self._store.endpoints_of(record.container_id))
        paths = {Path(record.path) for record in self._store.sandboxes() if record.path}
        self._fabric.sandboxes.keep_only(paths)
        self._fabric.sweep()

    # Within

    def _record(self, container_id: str) -> SandboxRecord:
        record = self._store.sandbox(container_id)
        if record is None:
            raise Conflict(f"Container {container_id} is not running")
        return record

    async def _serve_names(self, record: SandboxRecord, *, again: bool = False) -> None:
        """Answer DNS queries in the sandbox if one of its networks has names."""
        upstreams = self._present.name_servers(record)
        if upstreams is not None and record.path:
            await self._dns.open(record.container_id, Path(record.path), upstreams, again=again)

    def _tell(self, action: str, network: Network, container_id: str = "") -> None:
        attributes = {"name": network.name, "type": network.driver}
        if container_id:
            attributes["container"] = container_id
        self._events.publish("network", action, network.id, attributes)

    def _background(self, work: Callable[[], Awaitable[None]]) -> None:
        async def guarded() -> None:
            try:
                await work()
            except (DockyardError, OSError) as exc:
                log.warning("network: %s", exc)

        task = asyncio.ensure_future(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _schedule_refill(self) -> None:
        if self._refill_due:
            return
        self._refill_due = True

        async def later() -> None:
            await asyncio.sleep(REFILL_AFTER)
            self._refill_due = False
            await self._run(self._fabric.sandboxes.refill)

        self._background(later)

    def _schedule_sweep(self) -> None:
        """A while after containers have gone, delete interfaces that did not go with their namespaces."""
        if self._sweep_due:
            return
        self._sweep_due = True

        async def later() -> None:
            await asyncio.sleep(SWEEP_AFTER)
            self._sweep_due = False
            await self._run(self._fabric.sweep)

        self._background(later)
