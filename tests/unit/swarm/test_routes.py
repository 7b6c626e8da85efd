import json
from types import SimpleNamespace

import pytest

from engine.api.filters import Filters
from engine.errdefs import InvalidParameter
from swarm.cluster.images import find_image, image_names, image_term, repository, with_tag
from swarm.proxy.build import plan_build
from swarm.proxy.events import instant, wanted
from swarm.proxy.images import merged
from swarm.proxy.routes import match
from swarm.proxy.system import human

# Every operation of the API that a client of ours can ask for, with what the path's variable must be.
OPERATIONS = [
    ("GET", "/_ping", None),
    ("HEAD", "/_ping", None),
    ("GET", "/info", None),
    ("GET", "/version", None),
    ("GET", "/events", None),
    ("GET", "/system/df", None),
    ("POST", "/auth", None),
    ("GET", "/containers/json", None),
    ("POST", "/containers/create", None),
    ("POST", "/containers/prune", None),
    ("GET", "/containers/n1/web/json", "n1/web"),
    ("GET", "/containers/web/top", "web"),
    ("GET", "/containers/web/logs", "web"),
    ("GET", "/containers/web/changes", "web"),
    ("GET", "/containers/web/export", "web"),
    ("GET", "/containers/web/stats", "web"),
    *(
        ("POST", f"/containers/web/{verb}", "web")
        for verb in (
            "start",
            "stop",
            "restart",
            "kill",
            "pause",
            "unpause",
            "wait",
            "resize",
            "attach",
            "rename",
            "update",
            "exec",
            "copy",
        )
    ),
    ("GET", "/containers/web/attach/ws", "web"),
    ("HEAD", "/containers/web/archive", "web"),
    ("GET", "/containers/web/archive", "web"),
    ("PUT", "/containers/web/archive", "web"),
    ("DELETE", "/containers/n1/web", "n1/web"),
    ("POST", "/exec/abc/start", "abc"),
    ("POST", "/exec/abc/resize", "abc"),
    ("GET", "/exec/abc/json", "abc"),
    ("GET", "/images/json", None),
    ("POST", "/images/create", None),
    ("POST", "/images/load", None),
    ("POST", "/images/prune", None),
    ("GET", "/images/get", None),
    ("GET", "/images/search", None),
    ("GET", "/images/host:5000/a/b:1/json", "host:5000/a/b:1"),
    ("GET", "/images/a/history", "a"),
    ("GET", "/images/a/get", "a"),
    ("POST", "/images/a/b/push", "a/b"),
    ("POST", "/images/a/tag", "a"),
    ("DELETE", "/images/a/b:1", "a/b:1"),
    ("POST", "/commit", None),
    ("POST", "/build", None),
    ("POST", "/build/prune", None),
    ("POST", "/session", None),
    ("GET", "/distribution/a/b/json", "a/b"),
    ("GET", "/networks", None),
    ("GET", "/networks/n1/front", "n1/front"),
    ("POST", "/networks/create", None),
    ("POST", "/networks/prune", None),
    ("POST", "/networks/n1/front/connect", "n1/front"),
    ("POST", "/networks/front/disconnect", "front"),
    ("DELETE", "/networks/front", "front"),
    ("GET", "/volumes", None),
    ("GET", "/volumes/n1/v", "n1/v"),
    ("POST", "/volumes/create", None),
    ("POST", "/volumes/prune", None),
    ("DELETE", "/volumes/v", "v"),
    ("GET", "/plugins", None),
    ("GET", "/swarm", None),
    ("GET", "/services", None),
    ("GET", "/nodes/x", None),
    ("GET", "/tasks", None),
]


@pytest.mark.parametrize(("method", "path", "variable"), OPERATIONS)
def test_every_operation_has_a_row(method, path, variable):
    found = match(method, path)
    assert found is not None
    values = list(found[1].groupdict().values())
    assert values == ([variable] if variable else [])


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nothing"), ("POST", "/info"), ("DELETE", "/containers")]
)
def test_what_is_not_in_the_api_has_none(method, path):
    assert match(method, path) is None


def test_build_arguments_steer_and_are_taken_off():
    arguments = {
        "A": "1",
        "B": None,
        "constraint:node": "=n1",
        "affinity:image": "=~x",
        "constraint:zone!": "eu",
    }
    request, query = plan_build(
        [("t", "a"), ("t", "b"), ("buildargs", json.dumps(arguments)), ("memory", "5")]
    )
    assert request.constraints == ("node==n1", "zone!=eu")
    assert request.affinities == ("image==~x",)
    assert request.memory == 5
    assert [v for k, v in query if k == "t"] == ["a", "b"]
    assert json.loads(dict(query)["buildargs"]) == {"A": "1", "B": None}
    with pytest.raises(InvalidParameter):
        plan_build([("buildargs", "[1]")])


def test_images_of_all_nodes_become_one_list():
    got = merged(
        [
            [
                {"Id": "1", "RepoTags": ["a:1"], "Created": 1, "Containers": 1},
                {"Id": "2", "RepoTags": None, "Created": 5},
            ],
            None,
            [{"Id": "1", "RepoTags": ["a:1", "b:1"], "Created": 1, "Containers": 2}],
        ]
    )
    assert [image["Id"] for image in got] == ["2", "1"]
    assert got[1]["RepoTags"] == ["a:1", "b:1"]
    assert got[1]["Containers"] == 3


def test_names_of_images():
    assert repository("host:5000/a/b") == "host:5000/a/b"
    assert repository("host:5000/a/b:1") == "host:5000/a/b"
    assert with_tag("a") == "a:latest"
    assert with_tag("host:5000/a") == "host:5000/a:latest"
    assert with_tag("a@sha256:1") == "a@sha256:1"
    images = [{"Id": "sha256:abcd12", "RepoTags": ["a:1", "<none>:<none>"], "RepoDigests": ["a@sha256:9"]}]
    assert image_names(images) == {"sha256:abcd12", "a:1", "a", "a@sha256:9"}
    node = SimpleNamespace(images=images)
    for reference in ("a:1", "docker.io/library/a:1", "abcd", "sha256:abcd12", "a@sha256:9"):
        assert find_image(node, reference) is images[0], reference
    assert find_image(node, "a") is None
    assert image_term([node], "abcd12") == "image==sha256:abcd12"
    assert image_term([node], "a:1") == "image==a:1"


@pytest.mark.parametrize(
    ("text", "ns"),
    [("", None), ("5", 5 * 10**9), ("5.000000001", 5 * 10**9 + 1), ("1970-01-01T00:00:07Z", 7 * 10**9)],
)
def test_instants(text, ns):
    assert instant(text) == ns


EVENT = {
    "Type": "container",
    "Action": "exec_start: sh",
    "scope": "local",
    "Actor": {"ID": "abc123", "Attributes": {"name": "web", "image": "app:1", "tier": "front"}},
    "node": {"Name": "n1", "Id": "N1"},
}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"container": ["web"]}, True),
        ({"container": ["abc"]}, True),
        ({"container": ["db"]}, False),
        ({"event": ["exec_start"]}, True),
        ({"event": ["start"]}, False),
        ({"type": ["container"]}, True),
        ({"type": ["image"]}, False),
        ({"image": ["app:1"]}, True),
        ({"image": ["app"]}, True),
        ({"image": ["other"]}, False),
        ({"label": ["tier=front"]}, True),
        ({"label": ["tier=back"]}, False),
        ({"node": ["n1"]}, True),
        ({"node": ["n2"]}, False),
        ({"scope": ["swarm"]}, False),
        ({"volume": ["v"]}, False),
    ],
)
def test_event_filters(filters, expected):
    assert wanted(EVENT, Filters(filters)) is expected


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1 << 20, "1 MiB"), (25276502016, "23.54 GiB"), (3 << 40, "3 TiB")]
)
def test_sizes(size, text):
    assert human(size) == text
