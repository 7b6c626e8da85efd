"""pyswarm manage."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from engine.client import TLSConfig
from engine.errdefs import InvalidParameter
from scheduler.filters import DEFAULT
from swarm.cli.options import DURATION, discovery_argument, discovery_options, pairs
from swarm.cluster.config import ClusterConfig
from swarm.discovery import parse
from swarm.manage import ManagerConfig, manage

_CLUSTER_OPTIONS = ("swarm.overcommit", "swarm.createretry")
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@discovery_argument
@click.option(
    "--strategy", default="spread", show_default=True, help="spread, binpack, random, or a plugin's."
)
@click.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    help="A filter to use, in this order (repeatable); default: all.",
)
@click.option(
    "-H", "--host", "hosts", multiple=True, envvar="SWARM_HOST", default=["tcp://127.0.0.1:2375"],
    show_default=True, help="Where to listen: tcp://HOST:PORT or unix://PATH (repeatable).",
)  # fmt: skip
@click.option("--tls", is_flag=True, help="Speak TLS with clients and engines; implied by --tlsverify.")
@click.option("--tlscacert", type=_FILE, help="Certificates of authorities to believe.")
@click.option("--tlscert", type=_FILE, help="Our certificate.")
@click.option("--tlskey", type=_FILE, help="Its key.")
@click.option(
    "--tlsverify", is_flag=True, help="Believe only clients and engines with a certificate of --tlscacert."
)
@click.option(
    "--engine-refresh-min-interval", type=DURATION, default="30s", show_default=True,
    help="Shortest time between two full listings of a node.",
)  # fmt: skip
@click.option(
    "--engine-refresh-max-interval", type=DURATION, default="60s", show_default=True, help="Longest."
)
@click.option(
    "--engine-failure-retry", type=click.IntRange(min=1), default=3, show_default=True,
    help="Signs of life missed before a node counts as dead.",
)  # fmt: skip
@click.option(
    "--engine-ping-interval", type=DURATION, default="1s", show_default=True,
    help="How often a node is asked for a sign of life.",
)  # fmt: skip
@click.option(
    "--heartbeat", type=DURATION, default="60s", help="Accepted for compatibility: discovery is watched."
)
@click.option("--api-enable-cors", "--cors", "cors", is_flag=True, help="Let web pages of other origins in.")
@click.option(
    "--cluster-opt", multiple=True, metavar="KEY=VALUE",
    help="swarm.overcommit=0.05, swarm.createretry=0 (repeatable).",
)  # fmt: skip
@discovery_options
def command(discovery: str, **flags: Any) -> None:
    """Serve one Docker API for the engines that DISCOVERY names.

    DISCOVERY: nodes://H:P,H:P, a bare list, file:///PATH, sqlite:///PATH or etcd://H:P/PREFIX;
    default $SWARM_DISCOVERY.
    """
    source = parse(discovery, pairs(flags["discovery_opt"], "--discovery-opt"))
    asyncio.run(manage(configuration(flags), source))


def configuration(flags: dict[str, Any]) -> ManagerConfig:
    """From the flags; InvalidParameter for values that can't be."""
    options = pairs(flags["cluster_opt"], "--cluster-opt")
    for key in options:
        if key not in _CLUSTER_OPTIONS:
            raise InvalidParameter(f"unknown --cluster-opt {key} (known: {', '.join(_CLUSTER_OPTIONS)})")
    low, high = flags["engine_refresh_min_interval"], flags["engine_refresh_max_interval"]
    if not 0 < low <= high:
        raise InvalidParameter("--engine-refresh-min-interval must be above 0 and at most the max interval")
    if flags["engine_ping_interval"] <= 0:
        raise InvalidParameter("--engine-ping-interval must be above 0")
    tls = _tls(flags)
    cluster = ClusterConfig(
        strategy=flags["strategy"],
        filters=flags["filters"] or DEFAULT,
        tls=tls,
        refresh_min=low,
        refresh_max=high,
        failure_retry=flags["engine_failure_retry"],
        ping_interval=flags["engine_ping_interval"],
        overcommit=_number(options, "swarm.overcommit", 0.05),
        create_retry=int(_number(options, "swarm.createretry", 0)),
    )
    return ManagerConfig(cluster, tuple(flags["hosts"]), tls, flags["cors"])


def _tls(flags: dict[str, Any]) -> TLSConfig | None:
    if not (flags["tls"] or flags["tlsverify"]):
        return None
    if not flags["tlscert"] or not flags["tlskey"]:
        raise InvalidParameter("--tlscert and --tlskey are needed with --tls or --tlsverify")
    if flags["tlsverify"] and not flags["tlscacert"]:
        raise InvalidParameter("--tlscacert is needed with --tlsverify")
    return TLSConfig(flags["tlscacert"], flags["tlscert"], flags["tlskey"], flags["tlsverify"])


def _number(options: dict[str, str], key: str, default: float) -> float:
    try:
        value = float(options.get(key, default))
    except ValueError as exc:
        raise InvalidParameter(f"--cluster-opt {key} wants a number, not {options[key]!r}") from exc
    if value < 0:
        raise InvalidParameter(f"--cluster-opt {key} can't be negative")
    return value
