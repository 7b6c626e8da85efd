from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from engine.api.filters import Filters
from engine.errdefs import InvalidParameter, NotFound
from scheduler.models import Container
from swarm.cluster.node import ContainerRecord
from swarm.proxy.listing import ago, moment, rows, status

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def record(name, node="n1", *, state="running", created=0, healthy=True, **summary):
    container_id = name * 8
    holder = SimpleNamespace(
        name=node,
        id=f"id-{node}",
        healthy=healthy,
        facts=SimpleNamespace(ip="10.0.0.9"),
        images=[{"Id": "sha256:aa", "RepoTags": ["busybox:latest", "alias:1"]}],
    )
    summary = {
        "Id": container_id,
        "Names": [f"/{name}"],
        "Image": "busybox",
        "ImageID": "sha256:aa",
        "Created": created,
        "State": state,
        "Ports": [],
        "Labels": {},
        **summary,
    }
    inspected = {
        "Status": state,
        "Running": state == "running",
        "StartedAt": "2026-01-02T11:59:00Z",
        "ExitCode": 3,
    }
    if state == "exited":
        inspected["FinishedAt"] = "2026-01-02T11:59:57Z"
    return ContainerRecord(holder, summary, inspected, Container(container_id, name))


ALL = [
    record("a", created=1, Labels={"app": "web", "tier": "front"}),
    record(
        "b",
        "n2",
        created=3,
        Labels={"app": "db"},
        Ports=[{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}],
    ),
    record("c", state="exited", created=2, Mounts=[{"Name": "vol", "Destination": "/data"}]),
    record(
        "d", "n2", state="paused", created=4, NetworkSettings={"Networks": {"front": {"NetworkID": "net1"}}}
    ),
]


def find(reference):
    for one in ALL:
        if reference in (one.name, one.id):
            return one
    raise NotFound(f"No such container: {reference}")


def names(*, all=False, limit=0, **filters):
    found = rows(
        ALL,
        find,
        all=all,
        limit=limit,
        filters=Filters({k: [v] if isinstance(v, str) else v for k, v in filters.items()}),
        now=NOW,
    )
    return "".join(row["Names"][0][-1] for row in found)


def test_running_containers_newest_first_and_all_on_request():
    assert names() == "dba"
    assert names(all=True) == "dbca"
    assert names(limit=3) == "dbc"


def test_rows_carry_the_node():
    [row] = rows([ALL[1]], find, all=False, limit=0, filters=Filters(), now=NOW)
    assert row["Names"] == ["/n2/b"]
    assert row["Ports"][0]["IP"] == "10.0.0.9"
    assert row["Status"] == "Up About a minute"
    assert ALL[1].summary["Names"] == ["/b"], "the view is left alone"


def test_a_dead_nodes_containers_are_shown_as_such():
    [row] = rows([record("x", healthy=False)], find, all=False, limit=0, filters=Filters(), now=NOW)
    assert row["Status"] == "Host Down"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"name": "a"}, "a"),
        ({"name": "n2/"}, "db"),
        ({"id": "bbbb"}, "b"),
        ({"label": "app"}, "ba"),
        ({"label": ["app=web", "tier=front"]}, "a"),
        ({"label": ["app=web", "tier=back"]}, ""),
        ({"status": "exited"}, "c"),
        ({"status": ["exited", "paused"]}, "dc"),
        ({"exited": "3"}, "c"),
        ({"exited": "0"}, ""),
        ({"ancestor": "busybox"}, "dba"),
        ({"ancestor": "alias:1"}, "dba"),
        ({"ancestor": "aa"}, "dba"),
        ({"ancestor": "alias"}, ""),
        ({"volume": "/data", "status": "exited"}, "c"),
        ({"volume": "vol", "status": "running"}, ""),
        ({"network": "front"}, "d"),
        ({"network": "n2/front"}, "d"),
        ({"network": "net1"}, "d"),
        ({"publish": "8080"}, "b"),
        ({"publish": "8000-9000/tcp"}, "b"),
        ({"publish": "8080/udp"}, ""),
        ({"expose": "80"}, "b"),
        ({"node": "n2"}, "db"),
        ({"before": "c"}, "a"),
        ({"since": "c"}, "db"),
        ({"health": "none"}, "dba"),
        ({"is-task": "false"}, "dba"),
    ],
)
def test_filters(filters, expected):
    assert names(**filters) == expected


@pytest.mark.parametrize(
    "filters",
    [{"nonsense": "x"}, {"status": "bored"}, {"exited": "x"}, {"since": "nobody"}, {"publish": "http"}],
)
def test_bad_filters_are_refused(filters):
    with pytest.raises(InvalidParameter):
        names(**filters)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"Status": "created", "StartedAt": "0001-01-01T00:00:00Z"}, "Created"),
        (
            {"Status": "running", "Running": True, "StartedAt": "2026-01-02T10:59:00.123456789Z"},
            "Up About an hour",
        ),
        (
            {"Running": True, "StartedAt": "2026-01-02T11:59:50Z", "Health": {"Status": "healthy"}},
            "Up 10 seconds (healthy)",
        ),
        (
            {"Running": True, "StartedAt": "2026-01-02T11:59:50Z", "Health": {"Status": "starting"}},
            "Up 10 seconds (health: starting)",
        ),
        ({"Running": True, "Paused": True, "StartedAt": "2026-01-02T11:55:00Z"}, "Up 5 minutes (Paused)"),
        (
            {"Running": True, "Restarting": True, "ExitCode": 1, "FinishedAt": "2026-01-02T11:59:59Z"},
            "Restarting (1) 1 second ago",
        ),
        (
            {
                "Status": "exited",
                "ExitCode": 137,
                "StartedAt": "2026-01-01T00:00:00Z",
                "FinishedAt": "2026-01-02T09:00:00Z",
            },
            "Exited (137) 3 hours ago",
        ),
        ({"Status": "removing", "StartedAt": "2026-01-01T00:00:00Z"}, "Removal In Progress"),
        ({"Status": "dead", "Dead": True}, "Dead"),
    ],
)
def test_status_in_dockers_words(state, expected):
    assert status(state, NOW) == expected


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(milliseconds=10), "Less than a second"),
        (timedelta(seconds=59), "59 seconds"),
        (timedelta(seconds=119), "About a minute"),
        (timedelta(minutes=44), "44 minutes"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(days=13), "13 days"),
        (timedelta(days=15), "2 weeks"),
        (timedelta(days=75), "2 months"),
        (timedelta(days=800), "2 years"),
    ],
)
def test_spans_in_dockers_words(span, words):
    assert ago(NOW - span, NOW) == words


def test_moments_with_nanoseconds_and_zones():
    assert moment("2026-01-02T14:00:00.123456789+02:00") == NOW + timedelta(microseconds=123456)
    assert moment("") is None
