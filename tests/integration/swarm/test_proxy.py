"""Requests on their way: to the right node, as streams, and back."""

import asyncio

import pytest

from engine.errdefs import InvalidParameter, NotFound, Unavailable
from tests.integration.swarm.conftest import until


async def test_a_container_is_reached_by_every_reference(labs):
    lab = await labs("n1", "n2")
    container_id = await lab.run(
        "web", "constraint:node==n2", HostConfig={"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}
    )
    for reference in (container_id, container_id[:12], "web", "n2/web"):
        shown = await lab.docker.json("GET", f"/containers/{reference}/json")
        assert shown["Name"] == "/web"
        assert shown["Node"]["Name"] == "n2"
        assert shown["Node"]["Addr"] == lab.engines["n2"].addr
        assert shown["NetworkSettings"]["Ports"]["80/tcp"][0]["HostIp"] == "127.0.0.1"
    for reference in ("n1/web", "nobody"):
        with pytest.raises(NotFound, match="No such container"):
            await lab.docker.json("GET", f"/containers/{reference}/json")


async def test_a_change_is_in_the_list_as_soon_as_it_is_answered(labs):
    lab = await labs("n1")
    lab.engines["n1"].listeners.clear()  # no event helps
    await lab.run("web")
    assert (await lab.docker.containers())[0]["State"] == "running"
    await lab.docker.json("POST", "/containers/web/stop")
    assert await lab.docker.containers() == []
    assert (await lab.docker.containers(all=True))[0]["State"] == "exited"
    await lab.docker.json("DELETE", "/containers/web")
    assert await lab.docker.containers(all=True) == []


async def test_wait_answers_at_once_and_ends_with_the_container(labs):
    lab = await labs("n1")
    container_id = await lab.run("web")
    response = await asyncio.wait_for(lab.docker.request("POST", "/containers/web/wait"), 5)
    assert response.status == 200
    engine = lab.engines["n1"]
    engine.listeners.clear()
    engine._stop(engine.containers[container_id], 9)
    assert await response.json() == {"StatusCode": 9}
    assert (await lab.docker.containers(all=True))[0]["State"] == "exited"


async def test_attach_is_a_two_way_stream_with_half_close(labs):
    lab = await labs("n1", "n2")
    await lab.run("web", "constraint:node==n2")
    stream = await lab.docker.hijack("POST", "/containers/web/attach", params={"stream": True, "stdin": True})
    assert stream.status == 101
    stream.writer.write(b"hello")
    assert await stream.demultiplex() == [(1, b"HELLO")]
    stream.write_eof()
    assert await stream.demultiplex() == [(2, b"bye")]
    assert await stream.demultiplex() == []
    await stream.close()
    with pytest.raises(NotFound, match="No such container"):
        await lab.docker.hijack("POST", "/containers/nobody/attach")


async def test_an_attached_stream_ends_when_its_node_dies(labs):
    lab = await labs("n1")
    await lab.run("web")
    stream = await lab.docker.hijack("POST", "/containers/web/attach", params={"stream": True, "stdin": True})
    lab.engines["n1"].hang()
    assert await asyncio.wait_for(stream.reader.read(), 20) == b""
    await stream.close()


async def test_exec_goes_to_its_containers_node_even_through_another_manager(labs):
    lab = await labs("n1", "n2")
    await lab.run("web", "constraint:node==n2")
    made = await lab.docker.json("POST", "/containers/web/exec", json={"Cmd": ["true"]})
    stream = await lab.docker.hijack("POST", f"/exec/{made['Id']}/start", json={"Tty": False})
    assert await stream.demultiplex() == [(1, f"{made['Id']} on n2\n".encode())]
    await stream.close()
    assert (await lab.docker.json("GET", f"/exec/{made['Id']}/json"))["ExitCode"] == 7
    foreign = "n2-made-elsewhere"
    assert (await lab.docker.json("GET", f"/exec/{foreign}/json"))["ID"] == foreign
    with pytest.raises(NotFound, match="No such exec instance"):
        await lab.docker.json("GET", "/exec/unknown/json")


async def test_logs_follow_until_the_end_and_stop_when_the_client_leaves(labs):
    lab = await labs("n1")
    container_id = await lab.run("web")
    response = await lab.docker.request("GET", "/containers/web/logs", params={"follow": True})
    chunks = response.chunks()
    assert (await anext(chunks)).endswith(b"first\n")
    engine = lab.engines["n1"]
    engine._stop(engine.containers[container_id])
    assert (await anext(chunks)).endswith(b"last\n")
    assert [c async for c in chunks] == []
    await lab.docker.json("POST", "/containers/web/start")
    response = await lab.docker.request("GET", "/containers/web/logs", params={"follow": True})
    response.close()
    await until(lambda: "logs cancelled" in engine.requests)


async def test_big_bodies_pass_in_both_directions_at_the_readers_pace(labs):
    lab = await labs("n1")
    await lab.run("web")
    engine = lab.engines["n1"]
    size = 64 << 20

    async def upload():
        for _ in range(64):
            yield bytes(1 << 20)

    await lab.docker.json("PUT", "/containers/web/archive", params={"path": "/"}, data=upload())
    assert engine.received == size
    engine.received = 0
    response = await lab.docker.request("GET", "/containers/web/export")
    chunks = response.chunks()
    await anext(chunks)
    await asyncio.sleep(0.5)
    assert engine.received < 100 << 20, "the engine waits for a reader that does not read"
    response.close()


async def test_events_carry_their_node_and_history_comes_first(labs):
    lab = await labs("n1", "n2")
    await lab.run("a", "constraint:node==n1")
    await lab.run("b", "constraint:node==n2")
    response = await lab.docker.request("GET", "/events", params={"since": "1"})
    events = response.lines()
    seen = [await anext(events) for _ in range(4)]
    assert [(e["Action"], e["Actor"]["Attributes"]["name"]) for e in seen] == [
        ("create", "a"), ("start", "a"), ("create", "b"), ("start", "b"),
    ]  # fmt: skip
    await lab.docker.json("POST", "/containers/a/stop")
    live = await anext(events)
    assert (live["Action"], live["from"]) == ("die", "busybox node:n1")
    assert live["node"] == {
        "Name": "n1", "Id": lab.engines["n1"].id, "Addr": lab.engines["n1"].addr, "Ip": "127.0.0.1",
    }  # fmt: skip
    assert live["Actor"]["Attributes"]["node.name"] == "n1"
    response.close()
    params = {"since": "1", "until": live["time"] + 1, "filters": {"event": ["start"], "node": ["n2"]}}
    got = [e async for e in lab.docker.stream("GET", "/events", params=params)]
    assert [e["Actor"]["Attributes"]["name"] for e in got] == ["b"]


async def test_a_lost_node_is_an_event(labs):
    lab = await labs("n1", "n2")
    response = await lab.docker.request("GET", "/events")
    events = response.lines()
    await lab.engines["n2"].stop()
    lost = await anext(events)
    assert (lost["Action"], lost["node"]["Name"]) == ("engine_disconnect", "n2")
    await lab.engines["n2"].start()
    assert (await anext(events))["Action"] == "engine_reconnect"
    response.close()


async def test_pull_goes_everywhere_and_fails_only_if_all_fail(labs):
    lab = await labs("n1", "n2")
    lab.engines["n1"].pullable.add("redis")
    lines = [
        m
        async for m in lab.docker.stream("POST", "/images/create", params={"fromImage": "redis", "tag": "7"})
    ]
    assert {line.get("id") for line in lines} == {"n1", "n2"}
    assert any("Pulling redis:7" in line["status"] for line in lines)
    assert any(line["id"] == "n2" and line["status"].startswith("failed: ") for line in lines)
    assert not any("error" in line for line in lines)
    lines = [m async for m in lab.docker.stream("POST", "/images/create", params={"fromImage": "none"})]
    assert "pull access denied" in lines[-1]["error"]


async def test_a_loaded_archive_reaches_every_node_whole(labs):
    lab = await labs("n1", "n2", "n3")

    async def archive():
        for _ in range(40):
            yield bytes(100_000)

    lines = [m async for m in lab.docker.stream("POST", "/images/load", data=archive())]
    assert [e.received for e in lab.engines.values()] == [4_000_000] * 3
    assert not any("error" in line for line in lines)


async def test_volumes_are_made_everywhere_and_listed_by_node(labs):
    lab = await labs("n1", "n2")
    await lab.docker.json("POST", "/volumes/create", json={"Name": "data"})
    await lab.docker.json("POST", "/volumes/create", json={"Name": "n2/own"})
    listed = await lab.docker.json("GET", "/volumes")
    assert sorted(v["Name"] for v in listed["Volumes"]) == ["n1/data", "n2/data", "n2/own"]
    assert (await lab.docker.json("GET", "/volumes/n2/own"))["Name"] == "n2/own"
    await lab.docker.json("DELETE", "/volumes/data")
    listed = await lab.docker.json("GET", "/volumes")
    assert [v["Name"] for v in listed["Volumes"]] == ["n2/own"]
    with pytest.raises(NotFound, match="no such volume"):
        await lab.docker.json("DELETE", "/volumes/data")


async def test_prune_adds_up(labs):
    lab = await labs("n1", "n2")
    got = await lab.docker.json("POST", "/containers/prune")
    assert got["SpaceReclaimed"] == 10
    assert sorted(got["ContainersDeleted"]) == ["x-n1", "x-n2"]


async def test_the_edges_of_the_api(labs):
    lab = await labs("n1")
    with pytest.raises(NotFound, match="page not found"):
        await lab.docker.json("GET", "/nothing")
    with pytest.raises(InvalidParameter, match="is too new"):
        await lab.docker.json("GET", "/v9.9/info")
    with pytest.raises(InvalidParameter, match="invalid JSON"):
        await lab.docker.json("POST", "/containers/create", data=b"{")
    with pytest.raises(Unavailable, match="not a swarm manager"):
        await lab.docker.json("GET", "/services")
    for method in ("GET", "HEAD"):
        response = await lab.docker.request(method, "/v1.40/_ping")
        assert (response.status, response.headers["Ostype"]) == (200, "linux")
        assert await response.read() == (b"OK" if method == "GET" else b"")
    await lab.run("web")
    response = await lab.docker.request("POST", "/containers/web/start")
    assert response.status == 304
    response.close()
    assert (await lab.docker.version())["ApiVersion"] == "1.43"
