import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errdefs import InvalidParameter, Unavailable, Unsupported
from swarm.discovery import expand, parse


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("nodes://a:1,b:2", ["a:1", "b:2"]),
        ("a:1,b:2", ["a:1", "b:2"]),
        ("a:1, a:1 ,,b:2", ["a:1", "b:2"]),
        ("10.0.0.[8:10]:2375", ["10.0.0.8:2375", "10.0.0.9:2375", "10.0.0.10:2375"]),
        ("n[08:10]:1", ["n08:1", "n09:1", "n10:1"]),
        ("r[1:2]-n[1:2]:1", ["r1-n1:1", "r1-n2:1", "r2-n1:1", "r2-n2:1"]),
        ("nodes://[::1]:2375", ["[::1]:2375"]),
        ("unix:///run/a.sock,unix:///run/b.sock", ["unix:///run/a.sock", "unix:///run/b.sock"]),
    ],
)
async def test_lists_and_ranges(url, expected):
    assert await parse(url).fetch() == expected


@given(st.integers(0, 500), st.integers(0, 300))
def test_a_range_has_all_its_numbers_in_order(first, count):
    assert expand([f"n[{first}:{first + count}]:1"]) == [f"n{i}:1" for i in range(first, first + count + 1)]


@pytest.mark.parametrize("url", ["a", "a:b", "10.0.0.[9:8]:1", "nodes://a:1,b", "http://x:1", "a:1:2"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(InvalidParameter):
        parse(url)


def test_the_hosted_service_is_gone():
    with pytest.raises(Unsupported, match="is gone"):
        parse("token://abc")


async def test_a_file_is_read_with_comments_and_watched(tmp_path):
    path = tmp_path / "nodes"
    path.write_text("a:1 # first\n\n# all\n10.0.0.[1:2]:2\n")
    seen = parse(f"file://{path}").watch()
    assert await anext(seen) == ["a:1", "10.0.0.1:2", "10.0.0.2:2"]
    path.write_text("b:1\n")
    assert await asyncio.wait_for(anext(seen), 10) == ["b:1"]
    path.write_text("this is wrong\n")
    waiting = asyncio.ensure_future(anext(seen))
    await asyncio.sleep(1.2)
    assert not waiting.done(), "a wrong file changes nothing"
    path.write_text("c:1\n")
    assert await asyncio.wait_for(waiting, 10) == ["c:1"]
    await seen.aclose()


async def test_a_missing_file_is_said_at_once(tmp_path):
    with pytest.raises(Unavailable, match="cannot read"):
        await parse(f"file://{tmp_path}/none").fetch()


async def test_nodes_that_register_are_found_and_leave(tmp_path):
    url = f"sqlite://{tmp_path}/kv.db"
    seen = parse(url).watch()
    assert await anext(seen) == []
    joined = asyncio.create_task(parse(url).register("10.0.0.1:2375", ttl=2, heartbeat=0.5))
    assert await asyncio.wait_for(anext(seen), 10) == ["10.0.0.1:2375"]
    await asyncio.sleep(3)
    assert await parse(url).fetch() == ["10.0.0.1:2375"], "heartbeats keep it"
    joined.cancel()
    await asyncio.gather(joined, return_exceptions=True)
    assert await asyncio.wait_for(anext(seen), 10) == []
    await seen.aclose()


async def test_a_path_of_ones_own(tmp_path):
    url = f"sqlite://{tmp_path}/kv.db"
    mine = parse(url, {"kv.path": "mine"})
    joined = asyncio.create_task(mine.register("a:1", ttl=60, heartbeat=10))
    seen = parse(url, {"kv.path": "mine"}).watch()
    while await anext(seen) != ["a:1"]:
        pass
    await seen.aclose()
    assert await parse(url).fetch() == []
    joined.cancel()
    await asyncio.gather(joined, return_exceptions=True)
