from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Any

import pytest

from engine.api.filters import Filters
from engine.errdefs import Forbidden, InvalidParameter, Unsupported
from engine.network import request, view
from engine.network.model import IpamPool, Network


def chosen(
    config: list[dict[str, Any]], ours: Sequence[str] = (), host: Sequence[str] = ()
) -> tuple[IpamPool, ...]:
    wanted = request.parse({"Name": "x", "IPAM": {"Config": config}})
    assert wanted.ipam is not None
    return request.pools(
        wanted.ipam.config or [], [IPv4Network(text) for text in ours], [IPv4Network(text) for text in host]
    )


def test_without_a_wish_the_first_free_pool() -> None:
    assert chosen([], ["172.17.0.0/16"], ["172.18.0.0/24"]) == (IpamPool("172.19.0.0/16", "172.19.0.1"),)


def test_a_given_subnet_may_overlap_the_hosts_routes_only() -> None:
    config = [{"Subnet": "10.0.0.0/24"}]
    assert chosen(config, host=["10.0.0.0/8"])[0].subnet == "10.0.0.0/24"
    with pytest.raises(Forbidden, match="Pool overlaps"):
        chosen(config, ours=["10.0.0.0/8"])


def test_everything_given() -> None:
    config = {
        "Subnet": "10.0.0.0/24",
        "IPRange": "10.0.0.128/25",
        "Gateway": "10.0.0.9",
        "AuxiliaryAddresses": {"router": "10.0.0.200"},
    }
    pool = chosen([config])[0]
    assert pool == IpamPool("10.0.0.0/24", "10.0.0.9", "10.0.0.128/25", {"router": "10.0.0.200"}, given=True)
    shown = view.network_to_api(Network("i", "x", "bridge", "now", (pool,)))
    assert shown["IPAM"]["Config"] == [config]


@pytest.mark.parametrize(
    "config",
    [
        {"Subnet": "10.0.0.0"},
        {"Subnet": "10.0.0.0/31"},
        {"Subnet": "10.0.0.0/24", "Gateway": "10.0.1.1"},
        {"Subnet": "10.0.0.0/24", "IPRange": "10.0.1.0/24"},
        {"Subnet": "10.0.0.0/24", "AuxiliaryAddresses": {"a": "1.2.3.4"}},
        {"Gateway": "10.0.0.1"},
        {"Subnet": "nonsense"},
    ],
)
def test_bad_pools(config: dict[str, Any]) -> None:
    if config == {"Subnet": "10.0.0.0"}:  # a single address: no room
        config = {"Subnet": "10.0.0.0/32"}
    with pytest.raises(InvalidParameter):
        chosen([config])


def test_ipv6_subnets_are_refused() -> None:
    with pytest.raises(Unsupported):
        chosen([{"Subnet": "fd00::/64"}])


@pytest.mark.parametrize("name", ["", "  "])
def test_bad_names(name: str) -> None:
    with pytest.raises(InvalidParameter):
        request.check(request.parse({"Name": name}))


@pytest.mark.parametrize("body", [{}, {"Name": 1}, {"Name": "x", "IPAM": {"Config": [{"Subnet": 5}]}}])
def test_bad_bodies(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match="invalid JSON"):
        request.parse(body)


def test_members_may_be_null() -> None:
    body = {"Name": "x", "Driver": None, "IPAM": None, "Options": None, "Labels": None, "ConfigFrom": None}
    request.check(request.parse(body))


@pytest.mark.parametrize(
    ("created", "filters", "goes"),
    [
        ("2026-01-01T00:00:00.000000000Z", {}, True),
        ("2026-01-01T00:00:00.000000000Z", {"until": ["2026-01-01T00:00:01+00:00"]}, True),
        ("2026-01-01T00:00:00.000000000Z", {"until": ["1767225599"]}, False),
        ("2026-01-01T00:00:00.000000000Z", {"until": ["1h"]}, True),
        ("2026-01-01T00:00:00.000000000Z", {"until": ["1h1m"]}, False),
        ("2026-01-01T00:00:00.000000000Z", {"label": ["a=b"]}, True),
        ("2026-01-01T00:00:00.000000000Z", {"label": ["a=c"]}, False),
        ("2026-01-01T00:00:00.000000000Z", {"label!": ["a"]}, False),
    ],
)
def test_what_a_prune_takes(created: str, filters: dict[str, list[str]], goes: bool) -> None:
    network = Network("i", "x", "bridge", created, labels={"a": "b"})
    one_hour_later = 1767225600 + 3630
    assert view.prunable(network, Filters(filters), one_hour_later) is goes


def test_a_bad_until() -> None:
    with pytest.raises(InvalidParameter, match='time or duration: "soon"'):
        view.prunable(
            Network("i", "x", "bridge", "2026-01-01T00:00:00.000000000Z"), Filters({"until": ["soon"]}), 0
        )
