# ruff: noqa: E501 - compose files stand on one line each
from itertools import pairwise

import pytest

from compose.errors import ComposeError, NoSuchService
from compose.plan.converge import Wanted, converge
from compose.plan.operations import Kind, Plan
from engine.errdefs import InvalidParameter
from tests.unit.compose.projects import container, project, state

SHOP = """
services:
  db: {image: db, volumes: ["data:/d"]}
  cache: {image: cache}
  web:
    image: web
    depends_on:
      db: {condition: service_healthy}
      cache: {condition: service_started}
volumes: {data: {}}
"""


def lines(plan: Plan) -> list[str]:
    return plan.describe().splitlines()


def order(plan: Plan, *ids: str) -> bool:
    """Whether each of the operations comes after the one before it in whatever order is chosen."""

    def ancestors(identity: str) -> set[str]:
        found: set[str] = set()
        pending = [identity]
        while pending:
            for need in plan.operations[pending.pop()].needs:
                if need not in found:
                    found.add(need)
                    pending.append(need)
        return found

    return all(first in ancestors(second) for first, second in pairwise(ids))


def test_a_first_up_makes_everything_in_order():
    shop = project(SHOP)
    plan = converge(shop, state(shop, missing=("p_default", "p_data")), Wanted())
    assert set(lines(plan)) == {
        "create network p_default (missing)",
        "create volume p_data (missing)",
        "create p-db-1 (missing)",
        "create p-cache-1 (missing)",
        "create p-web-1 (missing)",
        "start p-db-1",
        "start p-cache-1",
        "wait db (until healthy)",
        "start p-web-1",
    }
    assert order(
        plan, "create network p_default", "create p-db-1", "start p-db-1", "wait db healthy", "start p-web-1"
    )
    assert order(plan, "start p-cache-1", "start p-web-1")
    assert not order(plan, "start p-db-1", "start p-cache-1")
    assert not order(plan, "start p-db-1", "create p-web-1"), "creations don't wait for starts"


def test_what_is_as_it_should_be_is_left_alone():
    shop = project(SHOP)
    found = state(shop, *(container(shop, name) for name in shop.services))
    assert len(converge(shop, found, Wanted())) == 0


def test_a_stopped_container_is_started_again():
    shop = project("services: {web: {image: web}}")
    plan = converge(shop, state(shop, container(shop, "web", state="exited")), Wanted())
    assert lines(plan) == ["start p-web-1 (not running)"]
    assert len(converge(shop, state(shop, container(shop, "web", state="exited")), Wanted(start=False))) == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": {"com.docker.compose.config-hash": "old"}}, "its configuration has changed"),
        ({"image_id": "sha256:old"}, "the image web has changed"),
        ({"networks": frozenset({"other"})}, "it is not connected to the network p_default"),
        ({"state": "dead"}, "it is dead"),
    ],
)
def test_why_a_container_is_recreated(changes, reason):
    shop = project("services: {web: {image: web}}")
    found = state(shop, container(shop, "web", **changes))
    plan = converge(shop, found, Wanted())
    assert plan.operations["create p-web-1"].reason == reason
    old = container(shop, "web").id
    wanted = ["create p-web-1", f"remove {old}", "rename p-web-1", "start p-web-1"]
    assert order(plan, *wanted)
    assert plan.operations["create p-web-1"].details["name"] == f"{old[:12]}_p-web-1"
    assert len(converge(shop, found, Wanted(recreate=False))) == (1 if changes.get("state") else 0)


def test_on_a_cluster_the_old_one_goes_first():
    shop = project("services: {web: {image: web}}")
    plan = converge(
        shop, state(shop, container(shop, "web")), Wanted(force_recreate=True, create_first=False)
    )
    old = container(shop, "web").id
    assert order(plan, f"stop {old}", f"remove {old}", "create p-web-1", "start p-web-1")
    assert plan.operations["create p-web-1"].details["name"] == "p-web-1"


def test_force_recreates_the_named_but_not_their_dependencies():
    shop = project(SHOP)
    found = state(shop, *(container(shop, name) for name in shop.services))
    plan = converge(shop, found, Wanted(services=("web",), force_recreate=True))
    assert "create p-web-1" in plan
    assert "create p-db-1" not in plan
    assert order(plan, "wait db healthy", "start p-web-1"), "even one that runs already must be healthy"
    every = Wanted(services=("web",), force_recreate=True, always_recreate_dependencies=True)
    assert "create p-db-1" in converge(shop, found, every)


def test_no_deps_leaves_dependencies_out():
    shop = project(SHOP)
    plan = converge(shop, state(shop), Wanted(services=("web",), dependencies=False))
    assert lines(plan) == ["create p-web-1 (missing)", "start p-web-1"]


def test_scaling_up_takes_free_numbers_and_down_the_obsolete_and_highest():
    shop = project("services: {web: {image: web, scale: 3}}")
    plan = converge(shop, state(shop, container(shop, "web", 2)), Wanted())
    assert {op.target for op in plan} == {"p-web-1", "p-web-3"}
    shop = shop.scaled({"web": 2})
    old = {"labels": {"com.docker.compose.config-hash": "old"}}
    found = state(
        shop, container(shop, "web", 1, **old), container(shop, "web", 2), container(shop, "web", 3)
    )
    plan = converge(shop, found, Wanted())
    assert lines(plan) == ["stop p-web-1 (scaled down to 2)", "remove p-web-1 (scaled down to 2)"]
    found = state(shop, *(container(shop, "web", n) for n in (1, 2, 3)))
    assert lines(converge(shop, found, Wanted()))[-1] == "remove p-web-3 (scaled down to 2)"


def test_scaling_what_has_a_fixed_name_is_refused():
    shop = project("services: {web: {image: web, container_name: fixed}}")
    assert "create fixed" in converge(shop, state(shop), Wanted())
    with pytest.raises(InvalidParameter, match="can't be scaled to 2"):
        shop.scaled({"web": 2})
    with pytest.raises(NoSuchService):
        shop.scaled({"nope": 2})


def test_containers_that_share_a_namespace_follow_their_parent():
    shop = project("services: {a: {image: a}, b: {image: b, network_mode: 'service:a'}}")
    old = {"labels": {"com.docker.compose.config-hash": "old"}}
    plan = converge(shop, state(shop, container(shop, "a", **old), container(shop, "b")), Wanted())
    assert "shares a namespace or volumes with a" in plan.operations["create p-b-1"].reason
    assert order(plan, "rename p-a-1", "create p-b-1")
    assert order(plan, "start p-a-1", "start p-b-1")


def test_dependents_restart_if_they_ask_to():
    shop = project(
        "services: {a: {image: a}, b: {image: b, depends_on: {a: {condition: service_started, restart: true}}}}"
    )
    old = {"labels": {"com.docker.compose.config-hash": "old"}}
    plan = converge(shop, state(shop, container(shop, "a", **old), container(shop, "b")), Wanted())
    assert order(plan, "start p-a-1", "restart p-b-1")


def test_orphans_are_warned_of_or_removed():
    shop = project("services: {web: {image: web}, off: {image: x, profiles: [off]}}")
    found = state(
        shop,
        container(shop, "web"),
        container(shop, "gone"),
        container(shop, "off", name="p-off-1"),
        container(shop, "web", 9, id="o" * 64, name="p-web-run-1", oneoff=True, state="exited"),
    )
    plan = converge(shop, found, Wanted())
    assert len(plan) == 0
    assert "[p-gone-1]" in plan.orphans[0]
    plan = converge(shop, found, Wanted(remove_orphans=True))
    assert {op.target for op in plan if op.kind is Kind.REMOVE} == {"p-gone-1", "p-web-run-1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: {a: {image: a, networks: [n]}}\nnetworks: {n: {external: true}}", "network n declared as external, but could not be found"),
        ("services: {a: {image: a, volumes: ['v:/v']}}\nvolumes: {v: {external: true}}", 'external volume "v" not found'),
    ],
)  # fmt: skip
def test_external_things_must_exist(text, message):
    shop = project(text)
    assert "create p-a-1" in converge(shop, state(shop), Wanted())
    with pytest.raises(ComposeError, match=message):
        converge(shop, state(shop, missing=("n", "v")), Wanted())


def test_on_a_cluster_each_node_gets_its_copy_of_a_network():
    shop = project("services: {web: {image: web}}")
    plan = converge(shop, state(shop, missing=("p_default",), nodes=("n1", "n2")), Wanted())
    made = [op.target for op in plan if op.kind is Kind.CREATE_NETWORK]
    assert sorted(made) == ["n1/p_default", "n2/p_default"]
    assert order(plan, "create network n2/p_default", "create p-web-1")
    spanning = project("services: {web: {image: web}}\nnetworks: {default: {driver: overlay}}")
    plan = converge(spanning, state(spanning, missing=("p_default",), nodes=("n1", "n2")), Wanted())
    assert [op.target for op in plan if op.kind is Kind.CREATE_NETWORK] == ["p_default"]


def test_attributes_that_nothing_acts_on_are_said():
    shop = project(
        "services: {web: {image: w, post_start: [{command: x}], deploy: {placement: {constraints: [a]}}}}"
    )
    warnings = converge(shop, state(shop), Wanted()).warnings
    assert [w.partition(" ")[0] for w in warnings] == [
        "services.web.post_start",
        "services.web.deploy.placement",
    ]
    shop = project("services: {web: {provider: {type: x}}}")
    with pytest.raises(ComposeError, match="providers are not supported yet"):
        converge(shop, state(shop), Wanted())
