import pytest

from engine.container import bindspec
from engine.container.model import MountPoint
from engine.container.mountplan import plan
from engine.errdefs import InvalidParameter


def make(config=None, host=None, others=None, exists=True):
    return plan(config or {}, host or {}, lambda name: (others or {})[name], lambda path: exists)


def at(mounts, destination):
    (found,) = [mount for mount in mounts if mount.destination == destination]
    return found


@pytest.mark.parametrize(
    ("raw", "source", "destination", "writable"),
    [
        ("/a:/b", "/a", "/b", True),
        ("/a/../c/:/b/./d/", "/c", "/b/d", True),
        ("name:/b:ro", "name", "/b", False),
        ("/b", "", "/b", True),
        ("/a:/b:ro,z,rslave", "/a", "/b", False),
    ],
)
def test_bind_specifications(raw, source, destination, writable):
    spec = bindspec.parse(raw)
    assert (spec.source, spec.destination, spec.writable) == (source, destination, writable)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("/a:/", "destination can't be '/'"),
        ("/a:b", "mount path must be absolute"),
        ("/a:/b:what", "invalid mode: what"),
        ("/a:/b:ro,rw", "invalid mode: ro,rw"),
        ("/a:/b:ro:z", "invalid volume specification"),
        ("/a::ro", "invalid volume specification"),
        ("", "invalid volume specification"),
        ("name:/b:rshared", "invalid mode"),
        ("/a:/b:nocopy", "invalid mode"),
    ],
)
def test_malformed_bind_specifications(raw, words):
    with pytest.raises(InvalidParameter) as caught:
        bindspec.parse(raw)
    assert words in str(caught.value)


def test_a_bind_source_is_made_for_binds_and_must_exist_for_mounts():
    (bind,) = make(host={"Binds": ["/missing:/x"]}, exists=False)
    assert bind.create_source
    with pytest.raises(InvalidParameter, match="bind source path does not exist: /missing"):
        make(host={"Mounts": [{"Type": "bind", "Source": "/missing", "Target": "/x"}]}, exists=False)


def test_one_place_named_twice_is_refused():
    with pytest.raises(InvalidParameter, match="Duplicate mount point: /b"):
        make(host={"Binds": ["/a:/b", "/c:/b/"]})
    with pytest.raises(InvalidParameter, match="Duplicate mount point: /b"):
        make(host={"Binds": ["/a:/b"], "Tmpfs": {"/b": ""}})


def test_image_volumes_give_way_to_what_the_client_mounts():
    config = {"Volumes": {"/data": {}, "/logs": {}, "/tmp": {}}}
    mounts = make(config, {"Binds": ["mine:/data:ro"], "Tmpfs": {"/tmp": ""}})
    assert {mount.destination for mount in mounts} == {"/data", "/logs"}
    data, logs = at(mounts, "/data"), at(mounts, "/logs")
    assert (data.name, data.rw, data.anonymous) == ("mine", False, False)
    assert (logs.name, logs.anonymous, logs.copy_up) == ("", True, True)


def test_volumes_from_are_taken_over_and_can_be_made_read_only():
    other = [
        MountPoint("volume", "/data", name="v1", source="/vols/v1", copy_up=True),
        MountPoint("tmpfs", "/run"),
    ]
    mounts = make(host={"VolumesFrom": ["other:ro"], "Binds": ["/h:/x"]}, others={"other": other})
    data = at(mounts, "/data")
    assert (data.name, data.rw, data.copy_up) == ("v1", False, False)
    assert other[0].rw
    assert {mount.destination for mount in mounts} == {"/data", "/x"}


def test_a_tmpfs_mount_has_its_options():
    (mount,) = make(
        host={
            "Mounts": [
                {
                    "Type": "tmpfs",
                    "Target": "/t",
                    "ReadOnly": True,
                    "TmpfsOptions": {"SizeBytes": 1024, "Mode": 0o1777, "Options": [["exec"], ["uid", "5"]]},
                }
            ]
        }
    )
    assert mount.options == "ro,size=1024,mode=1777,exec,uid=5"


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        ({"Type": "bind", "Source": "/x"}, "field Target must not be empty"),
        ({"Type": "zap", "Source": "/x", "Target": "/y"}, "mount type unknown"),
        ({"Type": "bind", "Target": "/y"}, "field Source must not be empty"),
        ({"Type": "bind", "Source": "x", "Target": "/y"}, "mount path must be absolute"),
        ({"Type": "tmpfs", "Source": "x", "Target": "/y"}, "field Source must not be specified"),
        ({"Type": "volume", "Target": "/y", "BindOptions": {"NonRecursive": True}}, "field BindOptions"),
        ({"Type": "volume", "Target": "/y", "VolumeOptions": {"Subpath": "../up"}}, "subpath"),
        (
            {"Type": "bind", "Source": "/x", "Target": "/y", "BindOptions": {"Propagation": "odd"}},
            "invalid mode",
        ),
    ],
)
def test_malformed_mounts(mount, words):
    with pytest.raises(InvalidParameter) as caught:
        make(host={"Mounts": [mount]})
    assert words in str(caught.value)
