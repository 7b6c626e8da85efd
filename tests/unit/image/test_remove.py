from __future__ import annotations

import pytest

from engine.errdefs import Conflict, NotFound
from engine.image.remove import Usage, prune, remove
from engine.image.store import Image, ImageStore
from tests.unit.image.conftest import Build

pytestmark = pytest.mark.root


def short(image: Image) -> str:
    return image.id[7:19]


def using(image: Image, running: bool = False) -> list[Usage]:
    return [Usage("c" * 64, image.id, running)]


def test_the_last_name_takes_the_image(store: ImageStore, build: Build) -> None:
    image = build("a", "app")
    assert remove(store, "app", []) == [
        {"Untagged": "app:latest"}, {"Deleted": image.id}, {"Deleted": image.chain_id},
    ]  # fmt: skip
    with pytest.raises(NotFound):
        remove(store, "app", [])


def test_one_of_several_names_goes_alone(store: ImageStore, build: Build) -> None:
    image = build("a", "app:1", "app:2")
    assert remove(store, "app:1", using(image, True)) == [{"Untagged": "app:1"}]
    assert store.repo_tags(image.id) == ["app:2"]


def test_a_digest_goes_with_the_last_tag_of_its_repository(store: ImageStore, build: Build) -> None:
    image = build("a", "app:1")
    digest = "sha256:" + "d" * 64
    store.tag(image.id, f"app@{digest}")
    records = remove(store, "app:1", [])
    assert records[:2] == [{"Untagged": "app:1"}, {"Untagged": f"app@{digest}"}]
    assert not store.has(image.id)


def test_digests_of_a_repository_go_although_the_image_has_other_names(
    store: ImageStore, build: Build
) -> None:
    image = build("a", "app:1", "other:1")
    digest = "sha256:" + "d" * 64
    store.tag(image.id, f"app@{digest}")
    assert remove(store, "app:1", []) == [{"Untagged": "app:1"}, {"Untagged": f"app@{digest}"}]
    assert store.references(image.id) == ["docker.io/library/other:1"]


def test_by_id_with_names_in_one_repository(store: ImageStore, build: Build) -> None:
    image = build("a", "app:1")
    assert [*remove(store, short(image), [])[0]] == ["Untagged"]
    assert not store.has(image.id)


def test_by_id_with_several_names_wants_force(store: ImageStore, build: Build) -> None:
    image = build("a", "app:1", "other:1")
    with pytest.raises(Conflict) as caught:
        remove(store, image.id, [])
    assert str(caught.value) == (
        f"conflict: unable to delete {short(image)} (must be forced) - "
        "image is referenced in multiple repositories"
    )
    assert len(store.references(image.id)) == 2
    records = remove(store, image.id, [], force=True)
    assert [r for r in records if "Untagged" in r] == [{"Untagged": "app:1"}, {"Untagged": "other:1"}]


def test_a_stopped_container_keeps_it_until_forced(store: ImageStore, build: Build) -> None:
    image = build("a", "app")
    with pytest.raises(Conflict) as by_name:
        remove(store, "app", using(image))
    assert str(by_name.value) == (
        f'conflict: unable to remove repository reference "app" (must force) - container {"c" * 12} '
        f"is using its referenced image {short(image)}"
    )
    with pytest.raises(Conflict) as by_id:
        remove(store, short(image), using(image))
    assert str(by_id.value) == (
        f"conflict: unable to delete {short(image)} (must be forced) - "
        f"image is being used by stopped container {'c' * 12}"
    )
    assert store.repo_tags(image.id) == ["app:latest"]
    assert {"Deleted": image.id} in remove(store, "app", using(image), force=True)


def test_a_running_container_keeps_the_image_but_not_a_forced_name(store: ImageStore, build: Build) -> None:
    image = build("a", "app")
    with pytest.raises(Conflict) as caught:
        remove(store, image.id, using(image, True), force=True)
    assert str(caught.value) == (
        f"conflict: unable to delete {short(image)} (cannot be forced) - "
        f"image is being used by running container {'c' * 12}"
    )
    assert remove(store, "app", using(image, True), force=True) == [{"Untagged": "app:latest"}]
    assert store.has(image.id)


def test_children_keep_their_parent(store: ImageStore, build: Build) -> None:
    base = build("a", "base")
    build("b", "top", parent=base)
    with pytest.raises(Conflict, match=r"\(cannot be forced\) - image has dependent child images"):
        remove(store, base.id, [], force=True)
    assert remove(store, "base", []) == [{"Untagged": "base:latest"}]
    assert store.has(base.id)


def test_nameless_parents_go_too_but_named_and_used_ones_stay(store: ImageStore, build: Build) -> None:
    root = build("r", "root")
    middle = build("m", parent=root)
    top = build("t", "top", parent=middle)
    records = remove(store, "top", [])
    assert [r["Deleted"] for r in records if "Deleted" in r] == [
        top.id,
        top.chain_id,
        middle.id,
        middle.chain_id,
    ]
    assert store.list() == [root]

    middle = build("m", parent=root)
    build("t", "top", parent=middle)
    remove(store, "top", using(middle))
    assert store.has(middle.id)


def test_parents_stay_if_asked(store: ImageStore, build: Build) -> None:
    base = build("a")
    build("b", "top", parent=base)
    remove(store, "top", [], prune=False)
    assert store.list() == [base]


def test_prune(store: ImageStore, build: Build) -> None:
    named, dangling, used = build("a", "app"), build("bb"), build("c")
    records, freed = prune(store, using(used), store.list(), dangling_only=True)
    assert [r["Deleted"] for r in records] == [dangling.id, dangling.chain_id]
    assert freed == 2
    records, freed = prune(store, using(used), store.list(), dangling_only=False)
    assert records[0] == {"Untagged": "app:latest"}
    assert {"Deleted": named.id} in records and freed == 1
    assert store.list() == [used]
