# ruff: noqa: E501 - compose files stand on one line each
import pytest

from compose.errors import ComposeError
from compose.plan.images import ImageOptions, ensure_images
from compose.plan.operations import Kind, Plan
from compose.plan.state import (
    container_from_list,
    familiar,
    images_from_list,
    networks_from_list,
    nodes_from_info,
)
from compose.plan.teardown import Down, down
from tests.unit.compose.projects import container, project, state
from tests.unit.compose.test_converge import SHOP, order


def test_down_stops_dependents_first_and_networks_go_last():
    shop = project(SHOP)
    found = state(shop, *(container(shop, name) for name in shop.services))
    plan = down(found, Down())
    ids = {name: container(shop, name).id for name in shop.services}
    assert order(
        plan, f"stop {ids['web']}", f"stop {ids['db']}", f"remove {ids['db']}", "remove network id-p_default"
    )
    assert order(plan, f"stop {ids['web']}", f"stop {ids['cache']}")
    assert not any(op.kind is Kind.REMOVE_VOLUME for op in plan)


def test_down_with_volumes_and_images():
    shop = project("services: {web: {build: .}, db: {image: db, volumes: ['data:/d']}}\nvolumes: {data: {}}")
    found = state(shop, container(shop, "web"), container(shop, "db"))
    plan = down(found, Down(volumes=True, images="local"))
    assert [op.target for op in plan if op.kind is Kind.REMOVE_VOLUME] == ["p_data"]
    assert [op.target for op in plan if op.kind is Kind.REMOVE_IMAGE] == ["p-web"]
    images = [op.target for op in down(found, Down(images="all")) if op.kind is Kind.REMOVE_IMAGE]
    assert sorted(images) == ["db", "p-web"]


def test_down_of_a_service_leaves_networks():
    shop = project(SHOP)
    found = state(shop, *(container(shop, name) for name in shop.services))
    plan = down(found, Down(services=("web",)))
    assert {op.service for op in plan} == {"web"}


def test_down_leaves_orphans_unless_asked():
    shop = project("services: {web: {image: web}}")
    found = state(shop, container(shop, "web"), container(shop, "gone"))
    plan = down(found, Down(), known=["web"])
    assert "p-gone-1" not in {op.target for op in plan}
    assert "p-gone-1" in plan.orphans[0]
    assert "p-gone-1" in {op.target for op in down(found, Down(remove_orphans=True), known=["web"])}


BUILT = "services: {web: {build: .}, worker: {image: web-image, build: .}, db: {image: db}, same: {image: web-image}}"


@pytest.mark.parametrize(
    ("missing", "options", "lines"),
    [
        ((), ImageOptions(), []),
        (("p-web", "db"), ImageOptions(), ["build p-web (missing)", "pull db (missing)"]),
        ((), ImageOptions(build=True), ["build p-web (asked for)", "build web-image (asked for)"]),
        ((), ImageOptions(pull="always"), ["pull db (its pull policy is always)"]),
        (("web-image",), ImageOptions(build=False), ["pull web-image (missing)"]),
    ],
)
def test_which_images_are_built_and_pulled(missing, options, lines):
    shop = project(BUILT)
    plan = ensure_images(shop, state(shop, missing=missing), shop.services, options)
    assert sorted(plan.describe().splitlines()) == (sorted(lines) or ["nothing to do"])


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("services: {web: {build: .}}", ImageOptions(build=False), "is missing, and --no-build was given"),
        (
            "services: {web: {image: w}}",
            ImageOptions(pull="never"),
            "is missing, and its pull policy is never",
        ),
        ("services: {web: {image: w, pull_policy: sometimes}}", ImageOptions(), 'invalid value "sometimes"'),
    ],
)
def test_images_that_can_not_be_had(text, options, message):
    shop = project(text)
    with pytest.raises(ComposeError, match=message):
        ensure_images(shop, state(shop, images={}), shop.services, options)


def test_plans_refuse_cycles_and_ignore_needs_that_never_came():
    plan = Plan()
    first = plan.add(Kind.START, "a", needs=["start z"])
    assert [op.id for op in plan] == [first]
    second = plan.add(Kind.START, "b", needs=[first])
    plan.need(first, second)
    with pytest.raises(ValueError, match="need each other"):
        list(plan)


RECORDED = {
    "Id": "a" * 64,
    "Names": ["/other/alias", "/p-web-2"],
    "Image": "busybox",
    "ImageID": "sha256:1",
    "State": "exited",
    "Labels": {
        "com.docker.compose.project": "p",
        "com.docker.compose.service": "web",
        "com.docker.compose.container-number": "2",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.config-hash": "h",
    },
    "NetworkSettings": {"Networks": {"p_default": {}}},
    "Mounts": [{"Type": "volume", "Name": "p_data", "Destination": "/d"}, {"Type": "bind"}],
}


def test_a_container_as_an_engine_lists_it():
    found = container_from_list(RECORDED)
    assert (found.name, found.node, found.service, found.number) == ("p-web-2", "", "web", 2)
    assert (found.networks, found.volumes) == ({"p_default"}, {"p_data"})
    assert not found.running
    assert found.config_hash == "h"


def test_a_container_as_a_cluster_lists_it():
    found = container_from_list({**RECORDED, "Names": ["/n1/p-web-2"]})
    assert (found.name, found.node) == ("p-web-2", "n1")


def test_copies_of_a_network_on_several_nodes_are_one():
    listed = [
        {"Name": "n1/p_default", "Id": "1", "Labels": {"a": "b"}},
        {"Name": "n2/p_default", "Id": "2", "Labels": {"a": "b"}},
        {"Name": "spanning", "Id": "3"},
    ]
    found = networks_from_list(listed, ["n1", "n2"])
    assert found["p_default"].ids == ("1", "2")
    assert found["p_default"].nodes == {"n1", "n2"}
    assert found["spanning"].nodes == frozenset()


def test_images_by_reference_with_several_ids_on_a_cluster():
    listed = [
        {"Id": "sha256:1", "RepoTags": ["a:latest"]},
        {"Id": "sha256:2", "RepoTags": ["a:latest", "b:1"]},
    ]
    assert images_from_list(listed)["a:latest"] == {"sha256:1", "sha256:2"}


@pytest.mark.parametrize(
    ("reference", "shown"),
    [
        ("busybox", "busybox:latest"),
        ("docker.io/library/busybox:1", "busybox:1"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
        ("a/b@sha256:00", "a/b@sha256:00"),
    ],
)
def test_familiar_references(reference, shown):
    assert familiar(reference) == shown


CLUSTER = {
    "SystemStatus": [
        ["Role", "primary"],
        ["Strategy", "spread"],
        ["Filters", "health, port"],
        ["Nodes", "3"],
        [" n1", "10.0.0.1:2375"],
        ["  └ ID", "x"],
        ["  └ Status", "Healthy"],
        ["  └ Labels", "a=b"],
        [" n2", "10.0.0.2:2375"],
        ["  └ Status", "Unhealthy"],
        [" (unknown)", "10.0.0.3:2375"],
        ["  └ Status", "Pending"],
    ]
}


def test_the_healthy_nodes_of_a_cluster():
    assert nodes_from_info(CLUSTER) == ("n1",)
    assert nodes_from_info({"DriverStatus": [["Backing Filesystem", "extfs"]]}) == ()
