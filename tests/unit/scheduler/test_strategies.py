from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler import plugins
from scheduler.errors import NoResources, UnknownPlugin
from scheduler.filters import DEFAULT
from scheduler.index import Index
from scheduler.models import NANO, Container, NodeFacts, Request
from scheduler.scheduler import Scheduler

GIB = 1 << 30


def cluster(strategy, count=3, cpus=4, memory=4, overcommit=0.0):
    index = Index(overcommit)
    for number in range(count):
        index.put_node(NodeFacts(f"n{number}", f"n{number}", cpus * NANO, memory * GIB))
    return index, Scheduler(index, plugins.filters(DEFAULT), plugins.strategy(strategy))


def run(index, scheduler, times, **request):
    """Place and reserve that often; the nodes in order."""
    placed = []
    for _ in range(times):
        asked = Request(**request)
        node = scheduler.place(asked).node_id
        container_id = f"c{len(index.container_nodes)}"
        index.put_container(
            node, Container(container_id, container_id, nano_cpus=asked.nano_cpus, memory=asked.memory)
        )
        placed.append(node)
    return placed


def test_spread_gives_each_node_its_share():
    index, scheduler = cluster("spread")
    assert set(Counter(run(index, scheduler, 30)).values()) == {10}


def test_spread_looks_at_memory_before_it_counts_containers():
    index, scheduler = cluster("spread")
    for number in range(5):
        index.put_container("n0", Container(f"small{number}", f"small{number}"))
    index.put_container("n1", Container("big1", "big1", memory=GIB))
    index.put_container("n2", Container("big2", "big2", memory=GIB))
    assert run(index, scheduler, 1, memory=GIB) == ["n0"]


def test_binpack_fills_one_node_before_the_next():
    index, scheduler = cluster("binpack")
    placed = run(index, scheduler, 8, memory=GIB)
    assert len(set(placed[:4])) == 1
    assert len(set(placed[4:])) == 1
    assert placed[0] != placed[4]


def test_binpack_without_resources_goes_where_most_containers_are():
    index, scheduler = cluster("binpack")
    assert len(set(run(index, scheduler, 20))) == 1


def test_random_reaches_every_node_and_ignores_resources():
    index, scheduler = cluster("random")
    counts = Counter(run(index, scheduler, 300, memory=64 * GIB))
    assert set(counts) == {"n0", "n1", "n2"}
    assert min(counts.values()) > 50


def test_full_ties_fall_either_way():
    firsts = set()
    for _ in range(100):
        index, scheduler = cluster("spread")
        firsts.add(run(index, scheduler, 1)[0])
    assert firsts == {"n0", "n1", "n2"}


def test_healthier_nodes_win():
    index, scheduler = cluster("spread")
    index.put_node(NodeFacts("n1", "n1", 4 * NANO, 4 * GIB, health=67))
    assert "n1" not in run(index, scheduler, 40)
    index, scheduler = cluster("binpack")
    index.put_node(NodeFacts("n1", "n1", 4 * NANO, 4 * GIB, health=67))
    index.put_container("n1", Container("x", "x"))
    assert "n1" not in run(index, scheduler, 1)


def test_overcommit_promises_a_share_more_even_on_small_nodes():
    index, scheduler = cluster("spread", count=1, cpus=1, overcommit=0.05)
    assert run(index, scheduler, 1, nano_cpus=1_050_000_000) == ["n0"]
    index, scheduler = cluster("spread", count=1, cpus=1, overcommit=0.05)
    with pytest.raises(NoResources, match="no resources available to schedule container"):
        run(index, scheduler, 1, nano_cpus=1_060_000_000)


def test_cpus_are_honoured_in_fractions():
    index, scheduler = cluster("spread", count=1, cpus=1)
    run(index, scheduler, 4, nano_cpus=NANO // 4)
    with pytest.raises(NoResources):
        run(index, scheduler, 1, nano_cpus=NANO // 10)


def test_a_removed_container_gives_its_room_back():
    index, scheduler = cluster("spread", count=1, memory=1)
    run(index, scheduler, 1, memory=GIB)
    index.remove_container("c0")
    assert run(index, scheduler, 1, memory=GIB) == ["n0"]


def test_unknown_names():
    with pytest.raises(UnknownPlugin, match="strategy 'best'"):
        plugins.strategy("best")
    with pytest.raises(UnknownPlugin, match="filter 'nice'"):
        plugins.filters(["nice"])


NODE = st.sampled_from([f"n{i}" for i in range(6)])
SIZES = st.sampled_from([0, 1, 3, 10])
STEP = st.one_of(
    st.tuples(st.just("place"), SIZES, SIZES),
    st.tuples(st.just("put"), NODE, SIZES),
    st.tuples(st.just("remove"), st.integers(0, 30), st.just(0)),
    st.tuples(st.just("health"), NODE, st.sampled_from([0, 34, 100])),
    st.tuples(st.just("drop"), NODE, st.just(0)),
)


@pytest.mark.parametrize("strategy", ["spread", "binpack"])
@settings(max_examples=150, deadline=None)
@given(steps=st.lists(STEP, max_size=60))
def test_the_kept_order_agrees_with_weighing_all_nodes_anew(strategy, steps):
    index, scheduler = cluster(strategy, count=6, cpus=1, memory=1)
    made = 0
    for kind, first, second in steps:
        if kind == "place":
            request = Request(nano_cpus=first * NANO // 20, memory=second * GIB // 20)
            best = oracle(index, strategy, request)
            if not best:
                with pytest.raises(Exception, match=r"No healthy|no resources"):
                    scheduler.place(request)
                continue
            chosen = scheduler.place(request).node_id
            assert chosen in best
            made += 1
            index.put_container(
                chosen, Container(str(made), str(made), "", {}, request.nano_cpus, request.memory)
            )
        elif kind == "put" and first in index.nodes:
            made += 1
            index.put_container(first, Container(str(made), str(made), "", {}, second * NANO // 20, 0))
        elif kind == "remove":
            index.remove_container(str(first))
        elif kind == "health":
            index.put_node(NodeFacts(first, first, NANO, GIB, health=second))
        elif kind == "drop":
            index.remove_node(first)


def oracle(index, strategy, request):
    """All nodes that tie for best, by the published formula and nothing kept."""
    sign = 1 if strategy == "spread" else -1
    keys = {}
    for node in index.nodes.values():
        used_cpu = sum(c.nano_cpus for c in node.containers.values())
        used_mem = sum(c.memory for c in node.containers.values())
        cpu = (used_cpu + request.nano_cpus) * 100 // NANO if request.nano_cpus else 100
        mem = (used_mem + request.memory) * 100 // GIB if request.memory else 100
        if node.facts.health > 0 and cpu <= 100 and mem <= 100:
            weight = cpu + mem - sign * 10 * node.facts.health
            keys[node.id] = (sign * weight, sign * len(node.containers))
    return {n for n, key in keys.items() if key == min(keys.values())}
