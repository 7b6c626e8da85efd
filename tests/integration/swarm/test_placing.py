"""Creates: where they go, what nodes are given, and that many at once are safe."""

import asyncio
from collections import Counter

import pytest

from engine.errdefs import Conflict, InvalidParameter, NotFound, SystemFailure, Unavailable
from tests.integration.swarm.fake import FakeEngine


async def test_spread_is_even_and_names_carry_their_node(labs):
    lab = await labs("n1", "n2", "n3")
    for number in range(6):
        await lab.run(f"c{number}")
    assert {name: len(e.containers) for name, e in lab.engines.items()} == {"n1": 2, "n2": 2, "n3": 2}
    assert sorted(n.split("/")[1] for n in await lab.names()) == ["n1", "n1", "n2", "n2", "n3", "n3"]


async def test_binpack_fills_and_random_scatters(labs):
    lab = await labs("n1", "n2", strategy="binpack")
    for number in range(4):
        await lab.run(f"c{number}")
    assert sorted(len(e.containers) for e in lab.engines.values()) == [0, 4]


async def test_constraints_reach_the_right_node_and_not_the_container(labs):
    lab = await labs(FakeEngine("n1", labels=("zone=eu",)), FakeEngine("n2", labels=("zone=us",)))
    await lab.create("a", "constraint:zone==us", "A=1")
    [container] = lab.engines["n2"].containers.values()
    assert container["Config"]["Env"] == ["A=1"]
    await lab.create("b", "affinity:container==a")
    assert lab.engines["n2"].names() == {"a", "b"}
    await lab.create("c", "affinity:container!=a")
    assert lab.engines["n1"].names() == {"c"}
    await lab.create("d", "constraint:zone==~mars")
    with pytest.raises(Unavailable, match="Unable to find a node that satisfies the following conditions"):
        await lab.create("e", "constraint:zone==mars")
    with pytest.raises(InvalidParameter, match="One of operator"):
        await lab.create("f", "constraint:zone")
    assert lab.view.containers.taken("e") is False


async def test_many_creates_at_once_respect_ports_resources_and_names(labs):
    lab = await labs(*(FakeEngine(f"n{i}", cpus=2) for i in range(4)))
    for engine in lab.engines.values():
        engine.create_delay = 0.05
    host = {"PortBindings": {"80/tcp": [{"HostPort": "80"}]}}
    got = await asyncio.gather(
        *(lab.create(f"p{i}", HostConfig=host) for i in range(8)), return_exceptions=True
    )
    assert Counter(type(g) for g in got) == {dict: 4, Unavailable: 4}
    assert [len(e.containers) for e in lab.engines.values()] == [1, 1, 1, 1]
    half = {"NanoCpus": 1_000_000_000}
    got = await asyncio.gather(
        *(lab.create(f"r{i}", HostConfig=half) for i in range(12)), return_exceptions=True
    )
    assert Counter(type(g) for g in got) == {dict: 8, Unavailable: 4}
    assert {len(e.containers) for e in lab.engines.values()} == {3}
    got = await asyncio.gather(*(lab.create("same") for _ in range(6)), return_exceptions=True)
    assert Counter(type(g) for g in got) == {dict: 1, Conflict: 5}
    assert len(lab.view.containers) == 13
    assert sum(len(n.containers) for n in lab.view.index.nodes.values()) == 13, "no reservation is left"


async def test_a_taken_name_is_refused_cluster_wide(labs):
    lab = await labs("n1", "n2")
    await lab.create("web", "constraint:node==n1")
    with pytest.raises(Conflict, match="The name web is already assigned"):
        await lab.create("web", "constraint:node==n2")
    other = await lab.create("other", "constraint:node==n2")
    with pytest.raises(Conflict, match="The name web is already assigned"):
        await lab.docker.json("POST", f"/containers/{other['Id']}/rename", params={"name": "web"})
    await lab.docker.json("POST", "/containers/web/rename", params={"name": "front"})
    await lab.docker.json("POST", "/containers/other/rename", params={"name": "web"})
    assert await lab.names() == ["/n1/front", "/n2/web"]


async def test_a_missing_image_is_pulled_on_the_scheduled_node(labs):
    lab = await labs("n1", "n2")
    for engine in lab.engines.values():
        engine.pullable.add("redis")
    await lab.create("db", "constraint:node==n2", image="redis")
    assert lab.engines["n2"].names() == {"db"}
    assert any("fromImage=redis&tag=latest" in r for r in lab.engines["n2"].requests)
    assert not any("fromImage" in r for r in lab.engines["n1"].requests)


async def test_an_image_that_cannot_be_pulled_is_used_where_it_is(labs):
    lab = await labs("n1", "n2")
    image = {"Id": "sha256:" + "cd" * 32, "RepoTags": ["mine:1"], "RepoDigests": ["mine@sha256:3"]}
    lab.engines["n2"].images.append(image)
    lab.engines["n2"].emit("image", "tag", image["Id"])
    node = lab.view.node("n2")
    while not any(i["Id"] == image["Id"] for i in node.images):
        await asyncio.sleep(0.02)
    for number in range(3):
        await lab.create(f"m{number}", image="mine:1")
    assert lab.engines["n2"].names() == {"m0", "m1", "m2"}
    with pytest.raises(NotFound, match="No such image: nowhere:latest"):
        await lab.create("x", image="nowhere")


async def test_a_refused_create_is_tried_elsewhere_as_often_as_allowed(labs):
    lab = await labs("n1", "n2", create_retry=1)
    lab.engines["n1"].refuse_create = "disk is full"
    for number in range(3):
        await lab.create(f"c{number}")
    assert len(lab.engines["n2"].containers) == 3
    lab.engines["n2"].refuse_create = "disk is full too"
    with pytest.raises(SystemFailure, match="disk is full"):
        await lab.create("c3")


async def test_a_local_network_follows_its_containers(labs):
    lab = await labs("n1", "n2")
    body = {"Name": "app", "Labels": {"a": "b"}, "IPAM": {"Config": [{"Subnet": "10.1.0.0/24"}]}}
    await lab.docker.json("POST", "/networks/create", json=body)
    assert sum(any(n["Name"] == "app" for n in e.networks) for e in lab.engines.values()) == 1
    host = {"NetworkMode": "app"}
    for name in ("n1", "n2"):
        await lab.create(f"on-{name}", f"constraint:node=={name}", HostConfig=host)
    for engine in lab.engines.values():
        [network] = [n for n in engine.networks if n["Name"] == "app"]
        assert network["Labels"] == {"a": "b"}
        assert network["IPAM"] == body["IPAM"]
    with pytest.raises(Conflict, match="network with name app already exists"):
        await lab.docker.json("POST", "/networks/create", json=body)
    listed = await lab.docker.json("GET", "/networks")
    assert {"n1/app", "n2/app"} <= {n["Name"] for n in listed}
    await lab.docker.json("DELETE", "/networks/app")
    assert not any(n["Name"] == "app" for e in lab.engines.values() for n in e.networks)


async def test_nobody_healthy_is_said_in_swarms_words(labs):
    lab = await labs("n1")
    await lab.engines["n1"].stop()
    await lab.healthy()
    with pytest.raises(Unavailable, match="No healthy node available in the cluster"):
        await lab.create("x")
