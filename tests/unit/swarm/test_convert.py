import pytest

from engine.errdefs import SystemFailure
from scheduler.models import NANO, Port
from swarm.cluster.convert import engine_facts, placed_container


def inspected(**parts):
    return {
        "Id": "1",
        "Name": "/web",
        "Config": {"Image": "app", "Labels": {"a": "b"}},
        "HostConfig": {},
        **parts,
    }


def test_a_stopped_container_holds_its_ports_and_resources():
    bindings = {
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}],
        "53/udp": [{"HostIp": "10.0.0.1", "HostPort": "53"}],
    }
    host = {"PortBindings": bindings, "NanoCpus": 5, "Memory": 7}
    got = placed_container(inspected(HostConfig=host, NetworkSettings={"Ports": {}}), 4)
    assert set(got.ports) == {Port("tcp", 8080), Port("udp", 53, "10.0.0.1")}
    assert (got.name, got.nano_cpus, got.memory, dict(got.labels)) == ("web", 5, 7, {"a": "b"})


def test_ports_that_the_engine_chose_count_too():
    live = {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "32768"}], "81/tcp": None}
    host = {"PortBindings": {"80/tcp": [{"HostPort": "0"}]}}
    assert placed_container(inspected(HostConfig=host, NetworkSettings={"Ports": live}), 4).ports == (
        Port("tcp", 32768, "0.0.0.0"),
    )


def test_a_container_in_the_nodes_network_takes_what_it_exposes():
    parts = inspected(
        HostConfig={"NetworkMode": "host"}, Config={"ExposedPorts": {"80/tcp": {}, "90-91/udp": {}}}
    )
    assert set(placed_container(parts, 4).ports) == {
        Port("tcp", 80, host_network=True),
        Port("udp", 90, host_network=True),
        Port("udp", 91, host_network=True),
    }


@pytest.mark.parametrize(("shares", "cpus", "cores"), [(1024, 4, 4), (256, 4, 1), (1, 4, 1), (0, 4, 0)])
def test_shares_on_a_node_are_cores_here(shares, cpus, cores):
    assert placed_container(inspected(HostConfig={"CpuShares": shares}), cpus).nano_cpus == cores * NANO


def test_what_an_engine_says_becomes_labels_for_constraints():
    info = {
        "ID": "X",
        "Name": "n1",
        "NCPU": 2,
        "MemTotal": 5,
        "Labels": ["zone=eu", "flag"],
        "Driver": "overlay2",
        "KernelVersion": "6.1",
        "OperatingSystem": "Debian",
        "OSType": "linux",
    }
    facts = engine_facts(info, {"ApiVersion": "1.41", "MinAPIVersion": "1.12"}, "10.0.0.1")
    assert facts.labels == {
        "zone": "eu",
        "flag": "",
        "storagedriver": "overlay2",
        "kernelversion": "6.1",
        "operatingsystem": "Debian",
        "ostype": "linux",
    }
    assert (facts.api_version, facts.min_api_version, facts.ip) == ("1.41", "1.12", "10.0.0.1")
    with pytest.raises(SystemFailure, match="is it a Docker engine"):
        engine_facts({}, {}, "")
