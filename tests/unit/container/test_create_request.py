import msgspec
import pytest

from engine.container.defaulting import complete, warnings
from engine.container.image_defaults import command, merge
from engine.container.wire import CreateRequest, as_dict
from engine.errdefs import InvalidParameter


def decode(text: str) -> dict:
    return as_dict(msgspec.json.decode(text, type=CreateRequest))


def test_null_means_the_zero_value_and_unknown_fields_are_ignored():
    body = decode(
        '{"Image": "x", "Hostname": null, "Nonsense": 1, "HostConfig": {"Memory": null, "Binds": null}}'
    )
    assert body["Hostname"] == ""
    assert body["HostConfig"]["Memory"] == 0
    assert body["HostConfig"]["Binds"] is None


def test_a_null_host_config_has_all_defaults():
    body = decode('{"Image": "x", "HostConfig": null, "NetworkingConfig": null}')
    assert body["HostConfig"]["RestartPolicy"] == {"Name": "", "MaximumRetryCount": 0}


def test_a_port_without_bindings_is_kept():
    body = decode('{"HostConfig": {"PortBindings": {"80/tcp": null}}}')
    assert body["HostConfig"]["PortBindings"] == {"80/tcp": None}


def test_a_wrong_type_names_the_field():
    with pytest.raises(msgspec.ValidationError, match=r"\$\.HostConfig\.Memory"):
        decode('{"HostConfig": {"Memory": "12"}}')


def test_defaults_are_not_shared_between_requests():
    first = msgspec.json.decode("{}", type=CreateRequest)
    first.HostConfig.RestartPolicy.Name = "always"
    assert msgspec.json.decode("{}", type=CreateRequest).HostConfig.RestartPolicy.Name == ""


IMAGE = {
    "Entrypoint": ["/entry"],
    "Cmd": ["serve"],
    "Env": ["PATH=/bin", "MODE=image"],
    "Labels": {"a": "image", "b": "image"},
    "ExposedPorts": {"80/tcp": {}},
    "Volumes": {"/data": {}},
    "WorkingDir": "/srv",
    "User": "web",
    "StopSignal": "SIGQUIT",
    "Healthcheck": {"Test": ["CMD", "probe"], "Interval": 5, "Retries": 2},
}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, ["/entry", "serve"]),
        ({"Cmd": ["other"]}, ["/entry", "other"]),
        ({"Entrypoint": ["/mine"]}, ["/mine"]),
        ({"Entrypoint": ["/mine"], "Cmd": ["x"]}, ["/mine", "x"]),
        ({"Entrypoint": [""], "Cmd": ["x"]}, ["x"]),
        ({"Entrypoint": [], "Cmd": None}, ["serve"]),
        ({"Cmd": "one string"}, ["/entry", "one string"]),
    ],
)
def test_entrypoint_and_command(asked, words):
    path, args = command(merge(asked, IMAGE))
    assert [path, *args] == words


def test_no_command_at_all_is_refused():
    with pytest.raises(InvalidParameter, match="no command specified"):
        merge({}, {})


def test_resetting_the_entrypoint_drops_the_images_command_too():
    with pytest.raises(InvalidParameter, match="no command specified"):
        merge({"Entrypoint": [""]}, IMAGE)


def test_the_clients_values_win_and_maps_are_united():
    merged = merge(
        {
            "Cmd": ["x"],
            "Env": ["MODE=mine", "NEW=1"],
            "Labels": {"a": "mine"},
            "ExposedPorts": {"81/udp": {}},
            "WorkingDir": "",
            "User": "0",
        },
        IMAGE,
    )
    assert merged["Env"] == ["MODE=mine", "NEW=1", "PATH=/bin"]
    assert merged["Labels"] == {"a": "mine", "b": "image"}
    assert set(merged["ExposedPorts"]) == {"80/tcp", "81/udp"}
    assert merged["WorkingDir"] == "/srv"
    assert merged["User"] == "0"
    assert merged["StopSignal"] == "SIGQUIT"


def test_a_health_check_is_merged_by_field():
    merged = merge({"Cmd": ["x"], "Healthcheck": {"Interval": 9}}, IMAGE)
    assert merged["Healthcheck"] == {"Test": ["CMD", "probe"], "Interval": 9, "Retries": 2}


def test_the_image_is_not_changed_by_merging():
    merged = merge({"Cmd": ["x"], "Labels": None}, IMAGE)
    merged["Labels"]["new"] = "1"
    assert "new" not in IMAGE["Labels"]


def host(**fields: object) -> dict:
    body = decode("{}")["HostConfig"]
    return body | fields


def test_completing_fills_what_inspect_shows():
    one = host(Memory=64 << 20)
    complete(one, log_driver="json-file", log_opts={"max-size": "1m"})
    assert one["NetworkMode"] == "bridge"
    assert one["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1m"}}
    assert one["RestartPolicy"]["Name"] == "no"
    assert one["ShmSize"] == 64 << 20
    assert one["MemorySwap"] == 128 << 20
    assert "/proc/kcore" in one["MaskedPaths"]


def test_log_options_of_the_daemon_are_not_given_to_a_driver_the_client_chose():
    one = host(LogConfig={"Type": "none", "Config": {}})
    complete(one, log_driver="json-file", log_opts={"max-size": "1m"})
    assert one["LogConfig"] == {"Type": "none", "Config": {}}


def test_a_privileged_container_has_no_masked_paths():
    one = host(Privileged=True)
    complete(one, log_driver="none", log_opts={})
    assert one["MaskedPaths"] is None


def test_ports_published_on_the_host_network_are_warned_of():
    assert warnings({"NetworkMode": "host", "PortBindings": {"80/tcp": []}, "PublishAllPorts": True})
    assert not warnings({"NetworkMode": "bridge", "PublishAllPorts": True})
    assert warnings({"Init": True}) == [
        "This engine does not put an init process into containers yet. Init discarded."
    ]


def test_privileged_containers_see_all_cgroups_of_version_1_alone():
    for cgroup2, mode in ((False, "host"), (True, "private")):
        one = host(Privileged=True)
        complete(one, log_driver="none", log_opts={}, cgroup2=cgroup2)
        assert one["CgroupnsMode"] == mode


def test_what_version_2_of_cgroups_lacks_is_warned_of():
    asked = host(OomKillDisable=True, MemorySwappiness=10, Memory=64 << 20)
    assert not warnings(asked)
    assert [text.rsplit(maxsplit=1)[1] for text in warnings(asked, cgroup2=True)] == ["discarded."] * 2
    assert not warnings(host(MemorySwappiness=-1), cgroup2=True)
