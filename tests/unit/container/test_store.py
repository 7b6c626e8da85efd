from pathlib import Path

import pytest

from engine.container.model import Container, MountPoint, Status
from engine.container.store import ContainerStore
from engine.db import Database
from engine.errdefs import Conflict, InvalidParameter, NotFound, SystemFailure


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path


def store(path: Path) -> ContainerStore:
    return ContainerStore(path / "containers", Database(path / "engine.db"))


def container(container_id: str, name: str, created: int = 1) -> Container:
    return Container(container_id, name, created, "sh", ["-c"], "busybox", "sha256:1", {"Tty": True}, {})


def test_found_by_id_name_and_prefix(path):
    one = store(path)
    one.add(container("abc1" * 16, "web"))
    one.add(container("abd2" * 16, "abc"))
    for reference in ("abc1" * 16, "web", "/web", "abc1"):
        assert one.get(reference).name == "web"
    assert one.get("abc").name == "abc"  # a name wins over a prefix


def test_an_ambiguous_prefix_is_refused_and_an_unknown_one_named(path):
    one = store(path)
    one.add(container("abc1" * 16, "a"))
    one.add(container("abc2" * 16, "b"))
    with pytest.raises(InvalidParameter, match="multiple IDs found with provided prefix: ab"):
        one.get("ab")
    with pytest.raises(NotFound, match="No such container: zz"):
        one.get("zz")
    with pytest.raises(NotFound):
        one.get("")


def test_a_taken_name_is_a_conflict_in_dockers_words(path):
    one = store(path)
    one.add(container("a" * 64, "web"))
    with pytest.raises(Conflict) as caught:
        one.add(container("b" * 64, "web"))
    assert str(caught.value) == (
        f'Conflict. The container name "/web" is already in use by container "{"a" * 64}". '
        "You have to remove (or rename) that container to be able to reuse that name."
    )
    assert len(one) == 1


def test_a_change_that_can_not_be_written_down_did_not_happen(path):
    db = Database(path / "engine.db")
    one = ContainerStore(path / "containers", db)
    one.add(container("a" * 64, "web"))
    db.query("PRAGMA query_only=1")  # as on a file system that has failed
    with pytest.raises(SystemFailure):
        one.rename(one.get("web"), "shop")
    with pytest.raises(SystemFailure):
        one.remove("a" * 64)
    assert one.get("web").name == "web"
    assert len(one) == 1


def test_all_changes_are_there_after_a_restart(path):
    one = store(path)
    first = container("a" * 64, "web")
    first.mounts = [MountPoint("bind", "/x", source="/y", rw=False)]
    one.add(first)
    one.add(container("b" * 64, "gone"))
    first.state.status, first.state.exit_code = Status.EXITED, 3
    one.save(first)
    one.rename(first, "renamed")
    one.remove("b" * 64)
    again = store(path)
    assert [c.name for c in again.list()] == ["renamed"]
    found = again.get("renamed")
    assert found.state.exit_code == 3
    assert found.mounts[0].rw is False
    assert found.config == {"Tty": True}


def test_a_removed_container_is_not_brought_back_by_a_late_save(path):
    one = store(path)
    first = container("a" * 64, "web")
    one.add(first)
    one.remove(first.id)
    one.save(first)
    assert store(path).list() == []
    one.add(container("c" * 64, "web"))  # and its name is free


def test_renaming_to_a_taken_or_malformed_name_changes_nothing(path):
    one = store(path)
    first = container("a" * 64, "web")
    one.add(first)
    one.add(container("b" * 64, "db"))
    with pytest.raises(Conflict):
        one.rename(first, "db")
    with pytest.raises(InvalidParameter, match="Invalid container name"):
        one.rename(first, "no spaces")
    assert one.get("web") is first


def test_the_newest_comes_first(path):
    one = store(path)
    for created, name in ((2, "b"), (3, "c"), (1, "a")):
        one.add(container(name * 64, f"n{name}", created))
    assert [c.name for c in one.list()] == ["nc", "nb", "na"]


def test_free_names_are_valid_and_free(path):
    one = store(path)
    for index in range(50):
        one.add(container(f"{index:064x}", one.free_name()))
    assert len(one) == 50
