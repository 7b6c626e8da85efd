"""Inspect, list entries, filters, times."""

import json
from pathlib import Path

import pytest

from engine.api.filters import Filters
from engine.container import inspect, select, timestamps
from engine.container.model import Container, Health, MountPoint, State, Status
from engine.container.timestamps import SECOND
from engine.errdefs import InvalidParameter


def container(**fields):
    given = {
        "id": "a" * 64,
        "name": "web",
        "created": 5 * SECOND,
        "path": "sh",
        "args": ["-c", "echo hi"],
        "image": "busybox",
        "image_id": "sha256:1",
        "config": {"Labels": {"tier": "front"}, "Shell": None, "Env": None, "ExposedPorts": {"80/tcp": {}}},
        "host_config": {
            "NetworkMode": "bridge",
            "Mounts": None,
            "Binds": None,
            "PortBindings": {"81/tcp": []},
        },
        "network_settings": {
            "SandboxID": "s",
            "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "90/udp": None},
            "Networks": {"bridge": {"IPAddress": "172.17.0.2", "NetworkID": "netid"}},
        },
        "mounts": [MountPoint("volume", "/data", source="/v/x/_data", name="x", driver="local")],
    }
    return Container(**(given | fields))


AROUND = inspect.Surroundings(Path("/c/a"), Path("/c/a/log"), "overlay2", {"UpperDir": "/u"}, ["e1"])


def test_inspect_shows_a_running_container():
    one = container(state=State(Status.RUNNING, pid=7, started_at=6 * SECOND, health=Health("healthy")))
    shown = inspect.inspect(one, AROUND)
    assert shown["Name"] == "/web"
    assert shown["State"]["Running"] is True
    assert shown["State"]["StartedAt"] == "1970-01-01T00:00:06Z"
    assert shown["State"]["FinishedAt"] == "0001-01-01T00:00:00Z"
    assert shown["State"]["Health"]["Status"] == "healthy"
    assert shown["HostsPath"] == "/c/a/hosts"
    assert shown["ExecIDs"] == ["e1"]
    assert shown["NetworkSettings"]["IPAddress"] == "172.17.0.2"
    assert shown["GraphDriver"] == {"Data": {"UpperDir": "/u"}, "Name": "overlay2"}
    assert "SizeRw" not in shown


def test_inspect_leaves_out_the_fields_docker_omits_when_empty_and_keeps_the_others():
    shown = inspect.inspect(container(), AROUND)
    assert "Shell" not in shown["Config"]
    assert shown["Config"]["Env"] is None
    assert "Mounts" not in shown["HostConfig"]
    assert shown["HostConfig"]["Binds"] is None


def test_a_restarting_container_counts_as_running():
    state = inspect.state(container(state=State(Status.RESTARTING, exit_code=2)))
    assert (state["Running"], state["Restarting"], state["Paused"]) == (True, True, False)


def test_the_list_entry():
    shown = json.loads(inspect.summary_head(container(), "busybox") + b'Up"}')
    assert shown["Command"] == "sh -c 'echo hi'"
    assert shown["Ports"] == [
        {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        {"PrivatePort": 90, "Type": "udp"},
    ]
    assert shown["Status"] == "Up"
    assert shown["Mounts"][0]["Name"] == "x"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"name": ["we"]}, True),
        ({"name": ["^/web$"]}, True),
        ({"name": ["db"]}, False),
        ({"id": ["aaa"]}, True),
        ({"id": ["b"]}, False),
        ({"label": ["tier"]}, True),
        ({"label": ["tier=front", "nope"]}, False),
        ({"status": ["exited"]}, True),
        ({"status": ["running"]}, False),
        ({"exited": ["3"]}, True),
        ({"exited": ["0"]}, False),
        ({"network": ["bridge"]}, True),
        ({"network": ["neti"]}, True),
        ({"network": ["other"]}, False),
        ({"volume": ["x"]}, True),
        ({"volume": ["/data"]}, True),
        ({"volume": ["y"]}, False),
        ({"publish": ["8080"]}, True),
        ({"publish": ["8000-8090/tcp"]}, True),
        ({"publish": ["80"]}, False),
        ({"expose": ["79-81/tcp"]}, True),
        ({"expose": ["90/udp"]}, True),
        ({"expose": ["91/udp"]}, False),
        ({"health": ["none"]}, True),
        ({"health": ["healthy"]}, False),
        ({"ancestor": ["busybox"]}, True),
        ({"ancestor": ["other"]}, False),
        ({"is-task": ["false"]}, True),
        ({"name": ["web"], "status": ["running"]}, False),
    ],
)
def test_filters(filters, found):
    one = container(state=State(Status.EXITED, exit_code=3, finished_at=9))
    context = select.Context(ancestors=frozenset())
    assert bool(select.selected(Filters(filters), [one], context)) is found


def test_before_and_since_compare_creation():
    one = container()
    assert select.selected(Filters({"before": ["x"]}), [one], select.Context(before=6 * SECOND))
    assert not select.selected(Filters({"since": ["x"]}), [one], select.Context(since=6 * SECOND))


@pytest.mark.parametrize("filters", [{"foo": ["x"]}, {"status": ["flying"]}, {"health": ["so-so"]}])
def test_unknown_filters_are_refused(filters):
    with pytest.raises(InvalidParameter, match=r"invalid filter|unrecognised filter value"):
        select.check(Filters(filters))


def test_what_prune_takes():
    ended = container(state=State(Status.EXITED))
    assert select.prunable(Filters({}), ended, 10 * SECOND)
    assert not select.prunable(Filters({}), container(state=State(Status.RUNNING)), 10 * SECOND)
    assert not select.prunable(Filters({"until": ["8s"]}), ended, 10 * SECOND)
    assert select.prunable(Filters({"until": ["4s"]}), ended, 10 * SECOND)
    assert not select.prunable(Filters({"label!": ["tier"]}), ended, 10 * SECOND)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("", 0),
        ("0", 0),
        ("12", 12 * SECOND),
        ("12.5", 12_500_000_000),
        ("1.000000001", 1_000_000_001),
        ("1970-01-01T00:00:10Z", 10 * SECOND),
        ("1970-01-01T01:00:10.25+01:00", 10_250_000_000),
        ("10s", 90 * SECOND),
        ("1m30s", 10 * SECOND),
    ],
)
def test_times(text, ns):
    assert timestamps.parse(text, at=100 * SECOND) == ns


@pytest.mark.parametrize("text", ["yesterday", "1970-13-01T00:00:00Z", "5 s", "1x"])
def test_malformed_times(text):
    with pytest.raises(InvalidParameter, match="failed to parse value as time or duration"):
        timestamps.parse(text)


def test_times_are_written_without_trailing_zeros():
    assert timestamps.rfc3339nano(10_250_000_000) == "1970-01-01T00:00:10.25Z"
    assert timestamps.rfc3339nano(10 * SECOND) == "1970-01-01T00:00:10Z"
    assert timestamps.rfc3339nano_fixed(10_250_000_000) == "1970-01-01T00:00:10.250000000Z"
