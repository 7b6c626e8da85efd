"""Who hears what, in which order, and when a subscription ends."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from engine.api.filters import Filters
from engine.events import EventBus, bus


async def take(subscription: object, count: int) -> list[str]:
    """The actions of the next `count` events."""
    found = []
    async with asyncio.timeout(10):
        while len(found) < count:
            found.append((await anext(subscription)).action)  # type: ignore[call-overload]
    return found


async def rest(subscription: object) -> list[str]:
    """The actions up to the end of the stream."""
    async with asyncio.timeout(10):
        return [event.action async for event in subscription]  # type: ignore[attr-defined]


async def test_only_what_happens_after_subscribing_is_heard() -> None:
    events = EventBus()
    events.publish("container", "create", "1", {})
    with events.subscribe(Filters()) as subscription:
        events.publish("container", "start", "1", {})
        events.publish("container", "die", "1", {})
        assert await take(subscription, 2) == ["start", "die"]
    assert events.subscribers() == 0


async def test_since_replays_and_goes_on_live_without_a_gap() -> None:
    events = EventBus()
    events.publish("container", "create", "1", {})
    with events.subscribe(Filters(), since=0) as subscription:
        events.publish("container", "start", "1", {})
        assert await take(subscription, 2) == ["create", "start"]


async def test_a_past_until_ends_the_stream_after_the_replay() -> None:
    events = EventBus()
    events.publish("container", "create", "1", {})
    until = time.time() + 0.001
    while time.time() <= until:
        await asyncio.sleep(0)
    events.publish("container", "start", "1", {})
    assert await rest(events.subscribe(Filters(), since=0, until=until)) == ["create"]


async def test_a_future_until_ends_a_live_stream() -> None:
    events = EventBus()
    subscription = events.subscribe(Filters(), until=time.time() + 0.05)
    events.publish("container", "create", "1", {})
    assert await rest(subscription) == ["create"]


async def test_events_of_threads_come_in_the_order_of_their_times() -> None:
    events = EventBus()
    with events.subscribe(Filters()) as subscription:

        def work(name: str) -> None:
            for number in range(100):
                events.publish("container", f"{name}{number}", name, {})

        threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        await asyncio.to_thread(lambda: [thread.join() for thread in threads])
        async with asyncio.timeout(10):
            seen = [await anext(subscription) for _ in range(300)]
    times = [event.time for event in seen]
    assert times == sorted(set(times))
    assert [e.action for e in seen if e.actor_id == "a"] == [f"a{n}" for n in range(100)]


async def test_memory_is_bounded() -> None:
    events = EventBus()
    for number in range(bus.REMEMBERED + 10):
        events.publish("container", str(number), "1", {})
    heard = await rest(events.subscribe(Filters(), since=0, until=time.time() + 0.0005))
    assert len(heard) == bus.REMEMBERED
    assert heard[0] == "10"


async def test_a_listener_that_does_not_read_is_cut_off() -> None:
    events = EventBus()
    subscription = events.subscribe(Filters())
    for number in range(bus.QUEUE + 10):
        events.publish("container", str(number), "1", {})
    assert len(await rest(subscription)) == bus.QUEUE


async def test_closing_the_bus_ends_all_streams() -> None:
    events = EventBus()
    subscription = events.subscribe(Filters())
    waiting = asyncio.create_task(rest(subscription))
    await asyncio.sleep(0)
    events.close()
    assert await waiting == []
    assert await rest(events.subscribe(Filters())) == []


def test_the_api_message_has_the_old_members_too() -> None:
    events = EventBus()
    events.publish("container", "start", "abc", {"image": "busybox", "name": "x"})
    events.publish("volume", "create", "v", {"driver": "local"})
    container, volume = (event.to_api() for event in events._ring)
    assert container["status"] == "start"
    assert container["id"] == "abc"
    assert container["from"] == "busybox"
    assert container["Actor"] == {"ID": "abc", "Attributes": {"image": "busybox", "name": "x"}}
    assert container["timeNano"] // 10**9 == container["time"]
    assert "status" not in volume
    assert volume["Type"] == "volume"
    assert volume["scope"] == "local"


CONTAINER = (
    "container",
    "health_status: healthy",
    "abcdef",
    {"name": "web", "image": "reg:5000/shop:1", "a": "b"},
)
IMAGE = ("image", "tag", "sha256:123", {"name": "shop:2"})


@pytest.mark.parametrize(
    ("filters", "heard"),
    [
        ({}, "CI"),
        ({"type": ["image"]}, "I"),
        ({"type": ["image", "container"]}, "CI"),
        ({"event": ["health_status"]}, "C"),
        ({"event": ["health_status: healthy"]}, "C"),
        ({"event": ["start"]}, ""),
        ({"container": ["web"]}, "C"),
        ({"container": ["abc"]}, "C"),
        ({"container": ["we"]}, ""),
        ({"image": ["reg:5000/shop"]}, "C"),
        ({"image": ["reg:5000/shop:1"]}, "C"),
        ({"image": ["shop"]}, "I"),
        ({"image": ["sha256:123"]}, "I"),
        ({"label": ["a"]}, "C"),
        ({"label": ["a=b"]}, "C"),
        ({"label": ["a=c"]}, ""),
        ({"label": ["a", "x"]}, ""),
        ({"type": ["container"], "event": ["tag"]}, ""),
        ({"network": ["web"]}, ""),
    ],
)
async def test_filters(filters: dict[str, list[str]], heard: str) -> None:
    events = EventBus()
    events.publish(*CONTAINER)
    events.publish(*IMAGE)
    found = events.subscribe(Filters(filters), since=0, until=time.time() + 0.0005)
    async with asyncio.timeout(10):
        assert "".join([event.type[0].upper() async for event in found]) == heard
