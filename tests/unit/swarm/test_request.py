import json

import pytest

from engine.errdefs import InvalidParameter
from scheduler.models import NANO, PortRequest
from swarm.cluster.request import for_node, plan


def made(body, known=()):
    containers = {name: (f"id-{name}", name) for name in known}
    return plan(body, "x", is_node={"n1", "n2"}.__contains__, resolve=containers.get)


def test_terms_leave_the_environment_and_stay_readable_in_labels():
    body = {
        "Image": "busybox",
        "Env": [
            "A=1",
            "constraint:node==n1",
            "affinity:container!=web*",
            "whitelist:node==a|b",
            "B=constraint:x",
        ],
    }
    got = made(body)
    assert got.body["Env"] == ["A=1", "B=constraint:x"]
    assert got.request.constraints == ("node==n1",)
    assert got.request.affinities == ("container!=web*",)
    assert got.request.whitelists == ("node==a|b",)
    assert json.loads(got.body["Labels"]["com.docker.swarm.constraints"]) == ["node==n1"]
    assert json.loads(got.body["Labels"]["com.docker.swarm.affinities"]) == ["container!=web*"]
    assert body["Env"][1] == "constraint:node==n1", "the caller's body is left alone"


def test_terms_in_labels_count_like_those_in_the_environment():
    labels = {"com.docker.swarm.constraints": '["zone==eu", "ssd==true"]', "app": "x"}
    got = made({"Labels": labels, "Env": ["constraint:node==n1"]})
    assert got.request.constraints == ("zone==eu", "ssd==true", "node==n1")
    assert got.body["Labels"]["app"] == "x"
    with pytest.raises(InvalidParameter, match="no JSON array"):
        made({"Labels": {"com.docker.swarm.constraints": "zone==eu"}})


def test_every_create_has_a_swarm_id_of_its_own():
    one, two = made({}), made({})
    assert one.swarm_id != two.swarm_id
    assert one.body["Labels"]["com.docker.swarm.id"] == one.swarm_id
    kept = made({"Labels": {"com.docker.swarm.id": "abc"}})
    assert kept.swarm_id == "abc"


@pytest.mark.parametrize(
    ("host", "nano"),
    [
        ({"NanoCpus": 500_000_000}, 500_000_000),
        ({"CpuShares": 2}, 2 * NANO),
        ({"NanoCpus": 1, "CpuShares": 2}, 1),
    ],
)
def test_cpus_and_shares_are_what_the_scheduler_counts(host, nano):
    assert made({"HostConfig": host}).request.nano_cpus == nano


def test_shares_are_cores_here_and_1024ths_of_the_node_there():
    body = made({"HostConfig": {"CpuShares": 1}}).body
    assert for_node(body, 4)["HostConfig"]["CpuShares"] == 256
    assert for_node(body, 3)["HostConfig"]["CpuShares"] == 342
    assert body["HostConfig"]["CpuShares"] == 1
    assert for_node({"HostConfig": {}}, 4) == {"HostConfig": {}}


def test_ports_to_publish():
    bindings = {
        "80/tcp": [{"HostPort": "8080"}, {"HostIp": "10.0.0.1", "HostPort": "81"}],
        "53/udp": [{"HostPort": "53"}],
        "90/tcp": [{"HostPort": ""}, {"HostPort": "0"}],
        "91/tcp": [{"HostPort": "9000-9010"}],
    }
    assert made({"HostConfig": {"PortBindings": bindings}}).request.ports == (
        PortRequest("tcp", 8080, 8080),
        PortRequest("tcp", 81, 81, "10.0.0.1"),
        PortRequest("udp", 53, 53),
        PortRequest("tcp", 9000, 9010),
    )


def test_a_container_in_the_nodes_network_asks_for_what_it_exposes():
    body = {
        "ExposedPorts": {"80/tcp": {}},
        "HostConfig": {"NetworkMode": "host", "PortBindings": {"1/tcp": []}},
    }
    assert made(body).request.ports == (PortRequest("tcp", 80, 80, host_network=True),)


def test_dependencies_are_resolved_to_ids_and_rewritten_for_the_node():
    host = {
        "VolumesFrom": ["n1/db:ro"],
        "Links": ["web:alias"],
        "NetworkMode": "container:db",
        "PidMode": "container:gone",
    }
    got = plan(
        {"HostConfig": host},
        "",
        is_node={"n1"}.__contains__,
        resolve={"n1/db": ("1", "db"), "web": ("2", "web"), "db": ("1", "db")}.get,
    )
    assert got.request.depends_on == (
        ("volumes-from", "1"),
        ("link", "2"),
        ("net", "1"),
        ("pid", "gone"),
    )
    assert got.body["HostConfig"]["VolumesFrom"] == ["db:ro"]
    assert got.body["HostConfig"]["Links"] == ["web:alias"]
    assert got.body["HostConfig"]["NetworkMode"] == "container:db"
    assert got.networks == ()


def test_a_node_before_a_network_or_volume_pins_to_the_node():
    body = {
        "HostConfig": {"NetworkMode": "n1/front", "Binds": ["n1/data:/d", "/n1/x:/y", "other/x:/z"]},
        "NetworkingConfig": {"EndpointsConfig": {"n1/front": {"Aliases": ["a"]}}},
    }
    got = made(body)
    assert got.request.constraints == ("node==n1",)
    assert got.body["HostConfig"]["NetworkMode"] == "front"
    assert got.body["HostConfig"]["Binds"] == ["data:/d", "/n1/x:/y", "other/x:/z"]
    assert got.body["NetworkingConfig"]["EndpointsConfig"] == {"front": {"Aliases": ["a"]}}
    assert got.networks == ("front",)


@pytest.mark.parametrize("mode", ["", "default", "bridge", "host", "none", "container:x"])
def test_networks_that_every_node_has_are_not_asked_for(mode):
    assert made({"HostConfig": {"NetworkMode": mode}}).networks == ()


def test_reschedule_policies_are_checked_and_honest():
    assert made({"Env": ["reschedule:off"]}).warnings == ()
    assert "does not move containers" in made({"Env": ["reschedule:on-node-failure"]}).warnings[0]
    with pytest.raises(InvalidParameter, match="invalid reschedule policy: always"):
        made({"Env": ["reschedule:always"]})
    with pytest.raises(InvalidParameter, match="too many"):
        made({"Env": ["reschedule:off", "reschedule:on-node-failure"]})
