"""What every key-value store does: run against SQLite and against a real etcd."""

import asyncio
import os
import shutil
import socket
import subprocess
import time

import pytest

from engine.driverapi.registry import load
from engine.errdefs import InvalidParameter, NotFound, Unavailable


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def etcd(tmp_path_factory):
    """One etcd of this module's own; the address clients use."""
    if shutil.which("etcd") is None:
        pytest.skip("etcd is not installed")
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    directory = tmp_path_factory.mktemp("etcd")
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            ["etcd", "--data-dir", str(directory / "data"), "--listen-client-urls", client,
             "--advertise-client-urls", client, "--listen-peer-urls", peer, "--unsafe-no-fsync",
             "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"],
            stdout=log, stderr=log, env={"PATH": os.environ["PATH"]},
        )  # fmt: skip
    try:
        host, port = client.removeprefix("http://").split(":")
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection((host, int(port)), 1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, (directory / "log").read_text()
                time.sleep(0.05)
        yield client.removeprefix("http://")
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(params=["sqlite", "etcd"])
async def open_store(request, tmp_path):
    """A function that opens one more connection to the same, empty store."""
    if request.param == "sqlite":
        hosts = [str(tmp_path / "kv.db")]
    else:
        hosts = [request.getfixturevalue("etcd")]
    opened = []

    async def open_():
        store = load("kv", request.param)(hosts, {})
        await store.__aenter__()
        opened.append(store)
        return store

    first = await open_()
    for entry in await first.list(""):
        await first.delete(entry.key)
    yield open_
    for store in opened:
        await store.__aexit__(None, None, None)


@pytest.fixture
async def store(open_store):
    return await open_store()


async def test_what_is_put_is_got_by_everybody(open_store):
    one, other = await open_store(), await open_store()
    await one.put("a/b", b"\x00\xffvalue")
    entry = await other.get("a/b")
    assert (entry.key, entry.value) == ("a/b", b"\x00\xffvalue")
    assert await other.get("a") is None


async def test_revisions_grow(store):
    first = await store.put("k", b"1")
    second = await store.put("other", b"1")
    third = await store.put("k", b"2")
    assert first < second < third
    assert (await store.get("k")).revision == third
    assert (await store.get("other")).revision == second


async def test_list_is_everything_below_a_prefix_in_order(store):
    for key in ("nodes/b", "nodes/a", "nodes", "nodes-x/c", "other"):
        await store.put(key, key.encode())
    assert [e.key for e in await store.list("nodes/")] == ["nodes/a", "nodes/b"]
    assert [e.key for e in await store.list("")] == ["nodes", "nodes-x/c", "nodes/a", "nodes/b", "other"]


async def test_delete_is_repeatable(store):
    await store.put("k", b"v")
    await store.delete("k")
    await store.delete("k")
    assert await store.get("k") is None


async def test_compare_and_swap_needs_the_right_revision(store):
    made = await store.compare_and_swap("k", b"1", revision=0)
    assert made is not None
    assert await store.compare_and_swap("k", b"2", revision=0) is None
    assert await store.compare_and_swap("k", b"2", revision=made + 100) is None
    changed = await store.compare_and_swap("k", b"2", revision=made)
    assert changed is not None and changed > made
    assert (await store.get("k")).value == b"2"


async def test_of_many_who_swap_at_once_one_wins(open_store):
    stores = [await open_store() for _ in range(4)]
    won = await asyncio.gather(
        *(s.compare_and_swap("leader", b"x", revision=0) for s in stores for _ in range(5))
    )
    assert len([w for w in won if w is not None]) == 1


async def test_a_lease_takes_its_keys_along(store):
    lease = await store.grant(60)
    await store.put("leased", b"v", lease=lease)
    await store.put("kept", b"v")
    await store.revoke(lease)
    await store.revoke(lease)
    assert await store.get("leased") is None
    assert (await store.get("kept")).value == b"v"


async def test_a_put_without_the_lease_frees_the_key_from_it(store):
    lease = await store.grant(60)
    await store.put("k", b"1", lease=lease)
    await store.put("k", b"2")
    await store.revoke(lease)
    assert (await store.get("k")).value == b"2"


async def test_a_lease_ends_unless_it_is_kept_alive(store):
    kept, left = await store.grant(2), await store.grant(1)
    await store.put("kept", b"v", lease=kept)
    await store.put("left", b"v", lease=left)
    for _ in range(16):
        await asyncio.sleep(0.25)
        await store.keep_alive(kept)
    assert await store.get("left") is None
    assert await store.get("kept") is not None
    with pytest.raises(NotFound):
        await store.keep_alive(left)
    with pytest.raises(NotFound):
        await store.put("k", b"v", lease=left)


async def test_watch_tells_all_entries_now_and_after_each_change(open_store):
    watcher, writer = await open_store(), await open_store()
    await writer.put("nodes/a", b"1")
    seen = watcher.watch("nodes/")
    assert [e.key for e in await anext(seen)] == ["nodes/a"]
    await writer.put("elsewhere", b"1")
    await writer.put("nodes/b", b"1")
    assert [e.key for e in await anext(seen)] == ["nodes/a", "nodes/b"]
    await writer.put("nodes/b", b"2")
    assert [e.value for e in await anext(seen)] == [b"1", b"2"]
    await writer.delete("nodes/a")
    assert [e.key for e in await anext(seen)] == ["nodes/b"]
    await seen.aclose()


async def test_watch_sees_a_lease_end(open_store):
    watcher, writer = await open_store(), await open_store()
    await writer.put("nodes/a", b"1", lease=await writer.grant(1))
    seen = watcher.watch("nodes/")
    assert len(await anext(seen)) == 1
    assert list(await anext(seen)) == []
    await seen.aclose()


async def test_sqlite_says_which_file_cannot_be_used(tmp_path):
    store = load("kv", "sqlite")([str(tmp_path / "missing" / "kv.db")], {})
    with pytest.raises(Unavailable, match=r"missing/kv\.db"):
        await store.get("k")
    with pytest.raises(InvalidParameter):
        load("kv", "sqlite")(["a", "b"], {})


async def test_etcd_says_that_nobody_answers():
    store = load("kv", "etcd")([f"127.0.0.1:{free_port()}"], {})
    async with store:
        with pytest.raises(Unavailable, match="no member of etcd answers"):
            await store.get("k")


async def test_etcd_goes_on_with_the_member_that_lives(etcd):
    async with load("kv", "etcd")([f"127.0.0.1:{free_port()}", etcd], {}) as store:
        await store.put("k", b"v")
        assert (await store.get("k")).value == b"v"
