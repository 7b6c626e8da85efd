from types import SimpleNamespace

import pytest

from engine.errdefs import Conflict, InvalidParameter, NotFound
from scheduler.models import Container
from swarm.cluster.directory import Directory
from swarm.cluster.node import ContainerRecord


def record(container_id, name, node="n1", swarm_id=""):
    return ContainerRecord(SimpleNamespace(name=node), {}, {}, Container(container_id, name), swarm_id)


@pytest.fixture
def directory():
    made = Directory()
    for one in (
        record("aaa111", "web"),
        record("aab222", "db", "n2", "swarm-db"),
        record("abc333", "twin"),
        record("bbb444", "twin", "n2"),
    ):
        made.put(one)
    return made


@pytest.mark.parametrize(
    ("reference", "container_id"),
    [
        ("aaa111", "aaa111"),
        ("web", "aaa111"),
        ("/web", "aaa111"),
        ("n1/web", "aaa111"),
        ("/n1/web", "aaa111"),
        ("swarm-db", "aab222"),
        ("aab", "aab222"),
        ("b", "bbb444"),
        ("n1/twin", "abc333"),
        ("n2/twin", "bbb444"),
    ],
)
def test_references(directory, reference, container_id):
    assert directory.find(reference).id == container_id


@pytest.mark.parametrize("reference", ["nobody", "n2/web", "aaa1119", "", "/"])
def test_unknown_references(directory, reference):
    with pytest.raises(NotFound, match="No such container"):
        directory.find(reference)


@pytest.mark.parametrize("reference", ["aa", "twin"])
def test_ambiguous_references(directory, reference):
    with pytest.raises(InvalidParameter, match="multiple containers"):
        directory.find(reference)


def test_a_name_wins_over_a_prefix(directory):
    directory.put(record("ccc555", "aaa"))
    assert directory.find("aaa").id == "ccc555"


def test_a_rename_frees_the_old_name(directory):
    directory.put(record("aaa111", "front"))
    assert directory.find("front").id == "aaa111"
    with pytest.raises(NotFound):
        directory.find("web")
    assert not directory.taken("web")


def test_a_removed_container_is_gone_by_every_reference(directory):
    directory.remove("aab222")
    for reference in ("aab222", "aab", "db", "n2/db", "swarm-db"):
        with pytest.raises(NotFound):
            directory.find(reference)
    assert directory.remove("aab222") is None


def test_names_can_be_held_once(directory):
    directory.reserve_name("new")
    for name in ("new", "web"):
        with pytest.raises(Conflict, match=f"The name {name} is already assigned"):
            directory.reserve_name(name)
    directory.release_name("new")
    directory.reserve_name("new")
