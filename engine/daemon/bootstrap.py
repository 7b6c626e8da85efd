"""Putting the engine together, in the order in which its parts need each other.

directories → database → events → graph driver → layers → images → volumes
            → networks → execution → containers → restore
"""

from __future__ import annotations

import asyncio
import logging
import uuid

from engine.container.store import ContainerStore
from engine.daemon import build, restore
from engine.daemon.config import DaemonConfig
from engine.daemon.engine import Engine
from engine.db import Database
from engine.driverapi import registry
from engine.driverapi.execution import ExecutionDriver
from engine.driverapi.graph import GraphDriver
from engine.errdefs import Conflict, InvalidParameter, SystemFailure, Unsupported
from engine.events import EventBus
from engine.image.store import ImageStore
from engine.layer.store import LayerStore
from engine.linux import cgroup
from engine.network.config import NetworkConfig
from engine.network.controller import NetworkController
from engine.volume.store import VolumeStore

log = logging.getLogger(__name__)

# Tried in this order on a fresh data-root when no flag names one.
_PREFERRED = ("overlay2", "vfs")

_SCHEMA = "CREATE TABLE IF NOT EXISTS engine (key TEXT PRIMARY KEY, value TEXT NOT NULL)"


async def open_engine(config: DaemonConfig) -> Engine:
    """Make every service and find again what an earlier daemon left running."""
    registry.load("log", config.log_driver)().validate(config.log_opts)
    _directories(config)
    db = Database(config.data_root / "engine.db")
    db.script(_SCHEMA)
    events = EventBus()
    graph = await asyncio.to_thread(_graph, config, db)
    layers = LayerStore(config.data_root / "layers", db, graph)
    images = ImageStore(config.data_root, db, layers)
    volumes = VolumeStore(config.data_root / "volumes", db, events)
    networks = NetworkController(_network_config(config), db, events)
    execution: ExecutionDriver = registry.load("execution", "native")(config.exec_root, {})
    containers = ContainerStore(config.data_root / "containers", db)
    engine = Engine(
        id=_identity(db),
        config=config,
        db=db,
        events=events,
        graph=graph,
        layers=layers,
        images=images,
        networks=networks,
        volumes=volumes,
        containers=containers,
        execution=execution,
    )
    try:
        await networks.open()
        await execution.open()
        await asyncio.to_thread(volumes.restore, {container.id for container in containers.list()})
        await restore.restore(engine)
        await build.recover(engine)
    except BaseException:
        await close_engine(engine)
        raise
    return engine


async def close_engine(engine: Engine) -> None:
    """Let go of everything. Containers run on."""
    engine.events.close()
    await restore.let_go(engine)
    await engine.execution.close()
    cgroup.remove_empty(cgroup.detect(), engine.config.cgroup_parent)
    await engine.networks.close()
    engine.db.close()


def _directories(config: DaemonConfig) -> None:
    try:
        for path, mode in (
            (config.data_root, 0o710),
            (config.exec_root, 0o711),
            (config.data_root / "tmp", 0o700),
        ):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(mode)
    except OSError as exc:
        raise SystemFailure(f"can't use {exc.filename}: {exc.strerror}; run the daemon as root") from exc


def _network_config(config: DaemonConfig) -> NetworkConfig:
    return NetworkConfig(
        exec_root=config.exec_root,
        bridge=config.bridge_name,
        bip=config.bip,
        mtu=config.mtu or 1500,
        icc=config.icc,
        ip=config.ip,
        dns=config.dns,
        dns_search=config.dns_search,
        dns_opts=config.dns_opts,
        host_gateway_ip=config.host_gateway_ip,
    )


def _identity(db: Database) -> str:
    """The engine's UUID, made at the first start."""
    found = _remembered(db, "id")
    return found or _remember(db, "id", str(uuid.uuid4()))


def _graph(config: DaemonConfig, db: Database) -> GraphDriver:
    """The graph driver of the flag, else that of the last time, else the first one that works here."""
    used = _remembered(db, "graph")
    wanted = config.storage_driver
    if wanted and used and wanted != used and _has_layers(db):
        raise Conflict(
            f"the storage driver was {used} and this data-root has layers of it; start with "
            f"--storage-driver {used}, or choose another --data-root for {wanted}"
        )
    chosen = wanted or used
    failures = []
    for name in (chosen,) if chosen else _PREFERRED:
        try:
            driver = _make_graph(name, config)
        except (Unsupported, OSError) as exc:
            failures.append(f"{name}: {exc}")
            continue
        _remember(db, "graph", name)
        driver.recover()
        return driver
    raise Unsupported(f"error initializing graphdriver: {'; '.join(failures)}")


def _make_graph(name: str, config: DaemonConfig) -> GraphDriver:
    options = {}
    for option in config.storage_opts:
        key, equals, value = option.partition("=")
        if not equals:
            raise InvalidParameter(f"invalid --storage-opt {option}: give key=value")
        options[key] = value
    root = config.data_root / name
    root.mkdir(mode=0o710, exist_ok=True)
    driver: GraphDriver = registry.load("graph", name)(root, options)
    return driver


def _has_layers(db: Database) -> bool:
    # On a fresh data-root the layer store has not made its table yet.
    if not db.query("SELECT 1 FROM sqlite_master WHERE name = 'layers'"):
        return False
    return bool(db.query("SELECT 1 FROM layers LIMIT 1"))


def _remembered(db: Database, key: str) -> str:
    rows = db.query("SELECT value FROM engine WHERE key = ?", (key,))
    return str(rows[0][0]) if rows else ""


def _remember(db: Database, key: str, value: str) -> str:
    with db.transaction() as tx:
        tx.execute("INSERT OR REPLACE INTO engine VALUES (?, ?)", (key, value))
    return value
