"""Flags and daemon.json: merged, checked, reloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from engine.cli.daemon import command
from engine.daemon import configfile
from engine.daemon.config import DaemonConfig
from engine.daemon.options import OPTIONS
from engine.errdefs import InvalidParameter


def write(path: Path, **document: Any) -> dict[str, Any]:
    """A configuration file; returns the flags that name it."""
    path.write_text(json.dumps({key.replace("_", "-"): value for key, value in document.items()}))
    return {"config_file": str(path)}


def test_without_anything_the_defaults_are_ours() -> None:
    config = configfile.load({})
    assert config == DaemonConfig()
    assert config.hosts == ("unix:///run/pydocker.sock",)
    assert str(config.data_root) == "/var/lib/pydocker"
    assert config.cgroup_parent == "/pydocker"
    assert config.bridge_name == "pydocker0"


def test_every_option_has_a_member_and_a_default() -> None:
    for option in OPTIONS:
        assert hasattr(DaemonConfig(), option.attribute), option.flag


def test_flags_and_file_come_together(tmp_path: Path) -> None:
    flags = write(
        tmp_path / "daemon.json",
        labels=["a=b"],
        debug=True,
        mtu=1400,
        log_opts={"max-size": "1m"},
        default_ulimits={"nofile": {"Name": "nofile", "Soft": 10, "Hard": 20}},
        default_shm_size="128m",
    )
    config = configfile.load(flags | {"hosts": ["tcp://127.0.0.1:1"], "icc": "false"})
    assert config.labels == ("a=b",)
    assert config.level == "debug"
    assert config.mtu == 1400
    assert config.log_opts == {"max-size": "1m"}
    assert config.default_ulimits == {"nofile": (10, 20)}
    assert config.default_shm_size == 128 << 20
    assert config.hosts == ("tcp://127.0.0.1:1",)
    assert config.icc is False


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    flags = write(tmp_path / "daemon.json", labels=["c=d"])
    with pytest.raises(InvalidParameter) as caught:
        configfile.load(flags | {"labels": ["a=b"]})
    assert "specified both as a flag and in the configuration file: labels" in str(caught.value)
    assert "(from flag: [a=b], from file: [c=d])" in str(caught.value)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"foo": 1}, "the following directives don't match any configuration option: foo"),
        ({"debug": "maybe"}, 'invalid argument "maybe" for "--debug"'),
        ({"labels": "a=b"}, "must be a list of strings"),
        ({"mtu": "x"}, "must be a whole number"),
        ({"mtu": True}, "must be a whole number"),
        ({"log-level": "silly"}, "invalid logging level: silly"),
        ({"labels": ["x"]}, "bad attribute format: x"),
        ({"hosts": ["ftp://x"]}, "Invalid bind address format: ftp://x"),
        ({"default-ulimits": {"nofile": {"Soft": 1}}}, "--default-ulimit"),
        ({"default-shm-size": "12q"}, "default-shm-size"),
        ({"dns": ["1.2.3"]}, "1.2.3 is not an ip address"),
        ({"ip": "x"}, "x is not an ip address"),
        ({"bip": "10.0.0.1"}, "invalid CIDR address"),
        ({"bip": "10.0.0.300/24"}, "invalid CIDR address"),
        ({"mtu": -1}, "invalid default MTU: -1"),
    ],
)
def test_bad_files_are_explained(tmp_path: Path, document: dict[str, Any], message: str) -> None:
    path = tmp_path / "daemon.json"
    path.write_text(json.dumps(document))
    with pytest.raises(InvalidParameter) as caught:
        configfile.load({"config_file": str(path)})
    assert message in str(caught.value)


def test_a_file_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="no such file"):
        configfile.load({"config_file": str(tmp_path / "nope.json")})


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text("{")
    with pytest.raises(InvalidParameter, match="unable to configure the daemon with file"):
        configfile.load({"config_file": str(path)})


def test_a_reload_takes_over_only_what_may_change(tmp_path: Path) -> None:
    flags = write(tmp_path / "daemon.json", labels=["a=b"], mtu=1400)
    config = configfile.load(flags)
    write(tmp_path / "daemon.json", labels=["a=c"], mtu=1300, insecure_registries=["r:5000"])
    again = configfile.reload(config, flags)
    assert again.labels == ("a=c",)
    assert again.insecure_registries == ("r:5000",)
    assert again.mtu == 1400


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--foo"], "--foo"),
        (["extra"], "extra"),
        (["--mtu", "x"], 'invalid argument "x" for "--mtu"'),
        (["--icc=maybe"], 'invalid argument "maybe" for "--icc"'),
        (["-H", "foo://bar"], "Invalid bind address format: foo://bar"),
        (["--default-ulimit", "x"], "invalid ulimit argument: x"),
        (["--config-file", "/nonexistent/x"], "no such file"),
    ],
)
def test_a_bad_command_line_ends_with_one(args: list[str], message: str) -> None:
    result = CliRunner().invoke(command, args)
    assert result.exit_code == 1
    assert message in result.output


def test_validate_checks_and_ends(tmp_path: Path) -> None:
    flags = write(tmp_path / "daemon.json", labels=["a=b"])
    good = CliRunner().invoke(
        command,
        [
            "--validate",
            "-D",
            "--icc=false",
            "--default-ulimit",
            "nofile=1:2",
            "--config-file",
            flags["config_file"],
        ],
    )
    assert (good.exit_code, "configuration OK" in good.output) == (0, True)


def test_help_shows_docker_s_flags() -> None:
    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0
    for flag in (
        "--data-root",
        "--exec-root",
        "-H, --host",
        "--tlsverify",
        "--insecure-registry",
        "--cgroup-parent",
    ):
        assert flag in result.output
