"""What every volume driver must do, whatever it stores on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from engine.driverapi import registry
from engine.driverapi.volume import VolumeDriver
from engine.errdefs import InvalidParameter, SystemFailure


@pytest.fixture(params=registry.names("volume"))
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> VolumeDriver:
    """One of each kind."""
    made: VolumeDriver = registry.load("volume", request.param)(tmp_path / "volumes")
    (tmp_path / "volumes").mkdir()
    return made


def test_content_outlives_its_users(driver: VolumeDriver) -> None:
    driver.create("data", {})
    path = driver.mount("data", {}, "c1")
    (path / "file").write_text("kept")
    driver.unmount("data", "c1")
    assert (driver.mount("data", {}, "c2") / "file").read_text() == "kept"
    driver.unmount("data", "c2")


def test_everything_may_be_repeated(driver: VolumeDriver) -> None:
    driver.create("data", {})
    (driver.mount("data", {}, "c1") / "file").write_text("kept")
    driver.create("data", {})
    assert (driver.mount("data", {}, "c1") / "file").exists()
    driver.unmount("data", "c1")
    driver.unmount("data", "c1")
    driver.remove("data")
    driver.remove("data")
    assert not driver.path("data").exists()


def test_unmounting_what_was_never_made_is_no_error(driver: VolumeDriver) -> None:
    driver.unmount("nothing", "c1")
    driver.remove("nothing")


def test_a_removed_volume_comes_back_empty(driver: VolumeDriver) -> None:
    driver.create("data", {})
    (driver.mount("data", {}, "c1") / "file").write_text("old")
    driver.unmount("data", "c1")
    driver.remove("data")
    driver.create("data", {})
    assert list(driver.mount("data", {}, "c1").iterdir()) == []
    driver.unmount("data", "c1")


def test_unknown_options_are_refused(driver: VolumeDriver) -> None:
    with pytest.raises(InvalidParameter, match='invalid option: "nonsense"'):
        driver.create("data", {"nonsense": "1"})


@pytest.mark.parametrize("name", ["", "x", "..", "../up", "a/b", ".hidden", "/abs"])
def test_names_that_lead_elsewhere_are_refused(driver: VolumeDriver, name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter):
        driver.create(name, {})
    assert list((tmp_path / "volumes").iterdir()) == []


def test_removal_follows_no_links(driver: VolumeDriver, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("precious")
    driver.create("data", {})
    (driver.mount("data", {}, "c1") / "link").symlink_to(outside)
    driver.unmount("data", "c1")
    driver.remove("data")
    assert (outside / "file").read_text() == "precious"


def is_mounted(path: Path) -> bool:
    """By the kernel's own list."""
    return subprocess.run(["mountpoint", "-q", path], check=False).returncode == 0


@pytest.mark.root
def test_local_mounts_for_the_first_user_and_unmounts_after_the_last(tmp_path: Path) -> None:
    driver: VolumeDriver = registry.load("volume", "local")(tmp_path)
    options = {"type": "tmpfs", "device": "tmpfs", "o": "size=64k,nosuid"}
    driver.create("data", options)
    assert not is_mounted(driver.path("data"))
    path = driver.mount("data", options, "c1")
    try:
        assert is_mounted(path)
        driver.mount("data", options, "c2")
        again: VolumeDriver = registry.load("volume", "local")(tmp_path)
        again.unmount("data", "c1")
        assert is_mounted(path)
        again.unmount("data", "c2")
        assert not is_mounted(path)
    finally:
        driver.remove("data")


@pytest.mark.root
def test_local_never_deletes_what_is_mounted_on_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("precious")
    driver: VolumeDriver = registry.load("volume", "local")(tmp_path / "volumes")
    options = {"type": "none", "device": str(outside), "o": "bind,ro"}
    (tmp_path / "volumes").mkdir()
    driver.create("data", options)
    path = driver.mount("data", options, "c1")
    assert (path / "file").read_text() == "precious"
    with pytest.raises(OSError, match="Read-only"):
        (path / "other").write_text("x")
    driver.remove("data")
    assert (outside / "file").read_text() == "precious"


@pytest.mark.root
def test_local_explains_a_mount_that_fails(tmp_path: Path) -> None:
    driver: VolumeDriver = registry.load("volume", "local")(tmp_path)
    options = {"type": "ext4", "device": "/nonexistent", "o": "noatime"}
    driver.create("data", options)
    with pytest.raises(
        SystemFailure, match=r"failed to mount local volume: mount /nonexistent:.*no such file"
    ):
        driver.mount("data", options, "c1")
    assert not is_mounted(driver.path("data"))
