"""What the manager knows of its nodes, and how soon."""

import asyncio

import pytest

from engine.errdefs import NotFound, Unavailable
from tests.integration.swarm.conftest import until
from tests.integration.swarm.fake import FakeEngine


async def rows(lab):
    return [tuple(row) for row in (await lab.docker.info())["SystemStatus"]]


async def test_what_happens_on_an_engine_is_seen(labs):
    engine = FakeEngine("n1")
    await engine.start()
    before = engine.add("before")
    lab = await labs(engine, "n2")
    assert await lab.names() == ["/n1/before"]
    after = engine.add("after", state="created")
    await until(lambda: lab.view.containers.get(after))
    engine._start(engine.containers[after])
    await until(lambda: lab.view.containers.get(after).summary["State"] == "running")
    del engine.containers[before]
    engine.emit("container", "destroy", before)
    await until(lambda: lab.view.containers.get(before) is None)
    assert await lab.names() == ["/n1/after"]


async def test_what_no_event_told_is_found_by_the_periodic_listing(labs):
    lab = await labs("n1", refresh_min=0.2, refresh_max=0.3)
    engine = lab.engines["n1"]
    engine.listeners.clear()
    hidden = engine.add("hidden")
    await until(lambda: lab.view.containers.get(hidden))
    del engine.containers[hidden]
    await until(lambda: lab.view.containers.get(hidden) is None)


async def test_info_shows_nodes_with_what_is_reserved(labs):
    lab = await labs(FakeEngine("n1", labels=("zone=eu",)), "n2")
    await lab.run("a", "constraint:node==n1", HostConfig={"NanoCpus": 1_500_000_000, "Memory": 64 << 20})
    got = await rows(lab)
    assert got[:4] == [
        ("Role", "primary"),
        ("Strategy", "spread"),
        ("Filters", "health, port, containerslots, dependency, affinity, constraint, whitelist"),
        ("Nodes", "2"),
    ]
    assert got[4] == (" n1", lab.engines["n1"].addr)
    first = dict(got[5:14])
    assert first["  └ Status"] == "Healthy"
    assert first["  └ Containers"] == "1 (1 Running, 0 Paused, 0 Stopped)"
    assert first["  └ Reserved CPUs"] == "1.5 / 4"
    assert first["  └ Reserved Memory"] == "64 MiB / 1 GiB"
    assert "zone=eu" in first["  └ Labels"]
    info = await lab.docker.info()
    assert (info["NCPU"], info["MemTotal"], info["Containers"], info["ContainersRunning"]) == (
        8,
        2 << 30,
        1,
        1,
    )


@pytest.mark.parametrize("how", ["hang", "stop"])
async def test_a_dead_node_is_shown_and_avoided_and_comes_back(labs, how):
    lab = await labs("n1", "n2")
    await lab.run("on1", "constraint:node==n1")
    await lab.run("on2", "constraint:node==n2")
    engine = lab.engines["n2"]
    if how == "hang":
        engine.hang()
    else:
        await engine.stop()
    await lab.healthy("n1")
    assert ("  └ Status", "Unhealthy") in await rows(lab)
    listed = await lab.docker.containers(all=True)
    shown = {c["Names"][0]: c["Status"] for c in listed}
    assert shown["/n2/on2"] == "Host Down"
    assert shown["/n1/on1"].startswith("Up")
    for number in range(3):
        await lab.run(f"c{number}")
    assert len(lab.engines["n1"].containers) == 4
    with pytest.raises(Unavailable, match=r"node n2 .* is unhealthy"):
        await lab.docker.json("POST", "/containers/on2/stop")
    if how == "hang":
        engine.resume()
    else:
        await engine.start()
    await lab.healthy("n1", "n2")
    await lab.docker.json("POST", "/containers/on2/stop")


async def test_a_create_that_a_dying_node_swallowed_goes_elsewhere_and_leaves_nothing(labs):
    lab = await labs("n1", "n2")
    await lab.create("ballast", "constraint:node==n1")
    dying = lab.engines["n2"]
    dying.create_delay = 2
    creating = asyncio.create_task(lab.create("y"))
    await until(lambda: "y" in dying.names())
    dying.hang()
    made = await creating
    assert made["Id"] in lab.engines["n1"].containers
    dying.resume()
    await lab.healthy("n1", "n2")
    await until(lambda: "y" not in dying.names())
    assert await lab.names() == ["/n1/ballast", "/n1/y"]


async def test_nodes_join_and_leave_with_the_discovery(labs):
    lab = await labs("n1")
    newcomer = FakeEngine("n2")
    await newcomer.start()
    try:
        newcomer.add("guest")
        lab.engines["n2"] = newcomer
        lab.tell_discovery()
        await lab.healthy("n1", "n2")
        assert await lab.names() == ["/n2/guest"]
        del lab.engines["n2"]
        lab.tell_discovery()
        await lab.healthy("n1")
        assert await lab.names() == []
        with pytest.raises(NotFound):
            await lab.docker.container_inspect("guest")
    finally:
        await newcomer.stop()


async def test_a_second_engine_with_the_same_id_stays_out(labs):
    one, two = FakeEngine("n1"), FakeEngine("n2")
    two.id = one.id
    lab = await labs(one, two, names=())
    await until(lambda: any("duplicated ID" in n.error for n in lab.view))
    got = await rows(lab)
    assert [value for key, value in got if key == "  └ Status"].count("Pending") == 1
    assert len(lab.view.healthy) == 1


async def test_an_unreachable_node_is_pending_and_told_why(labs):
    absent = FakeEngine("n2")
    await absent.start()
    await absent.stop()
    lab = await labs("n1", names=())
    lab.engines["n2"] = absent
    lab.tell_discovery()
    await lab.healthy("n1")
    await until(lambda: any(n.error for n in lab.view))
    got = await rows(lab)
    assert (" (unknown)", absent.addr) in got
    assert ("  └ Status", "Pending") in got
    await absent.start()
    try:
        await lab.healthy("n1", "n2")
    finally:
        await absent.stop()


async def test_we_speak_what_all_nodes_speak(labs):
    old = FakeEngine("n1")
    old.api_version = "1.41"
    lab = await labs(old, "n2")
    await lab.create("a", "constraint:node==n1")
    await lab.create("b", "constraint:node==n2")
    response = await lab.docker.request("GET", "/_ping")
    assert response.headers["Api-Version"] == "1.41"
    await response.read()
    await lab.docker.json("POST", "/v1.43/containers/a/start")
    await lab.docker.json("POST", "/v1.30/containers/b/start")
    assert any(r.startswith("POST /v1.41/containers/") for r in lab.engines["n1"].requests)
    assert any(r.startswith("POST /v1.30/containers/") for r in lab.engines["n2"].requests)


async def test_info_gives_docker_nothing_to_warn_of(labs):
    """The CLI warns of each of these that is false, but they are each node's own affair."""
    lab = await labs("n1")
    info = await lab.docker.info()
    for ability in ("MemoryLimit", "SwapLimit", "IPv4Forwarding", "BridgeNfIptables", "BridgeNfIp6tables"):
        assert info[ability] is True, ability
