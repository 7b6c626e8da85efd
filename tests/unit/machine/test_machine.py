"""Records, facts, services, shells and the command line, without a host."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.errdefs import Conflict, DockyardError, InvalidParameter, NotFound, SystemFailure
from machine import shells
from machine.cli.inspect import render
from machine.cli.main import pymachine
from machine.host import EngineOptions, Record
from machine.provision import bundle, facts, service
from machine.store import Store

DEBIAN = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
ID=debian
# a comment
VERSION_ID="12"
---
x86_64
3.11
plain
/usr/bin/apt-get
---
libnftables.so.1
libseccomp.so.2
"""


def record(name: str = "web1") -> Record:
    return Record(name, "none", {"URL": "tcp://10.0.0.5:2376", "IPAddress": "10.0.0.5"})


def call(store: Path, *args: str) -> Result:
    return CliRunner().invoke(pymachine, ["-s", str(store), *args])


def test_facts_are_parsed_from_what_a_debian_host_says() -> None:
    found = facts.parse(DEBIAN)
    assert (found.os_id, found.machine, found.python, found.init) == ("debian", "x86_64", "3.11", "plain")
    assert found.libraries == {"libnftables.so.1", "libseccomp.so.2"}


def test_a_host_that_says_little_is_still_described() -> None:
    found = facts.parse("---\narmv7l\nnone\nsystemd\n---\n")
    assert (found.os_id, found.python, found.init, found.libraries) == (
        "unknown",
        "none",
        "systemd",
        frozenset(),
    )
    assert not bundle.fits(found)


def test_the_bundle_holds_dockyard_and_what_it_imports_but_no_tests() -> None:
    names = {name for _, name in bundle._own_files()} | {name for _, name in bundle._required_files()}
    assert {
        "engine/errdefs.py",
        "engine/shim/spawner.py",
        "aiohttp/__init__.py",
        "msgspec/__init__.py",
    } <= names
    assert not [name for name in names if name.startswith(("tests/", "pytest/", "../", "/"))]


def test_the_daemon_is_started_with_mutual_tls_and_the_options() -> None:
    options = EngineOptions(labels=["zone=a"], insecure_registry=["r:5000"], arbitrary_flags=["mtu=1400"])
    command = service.daemon_command(options, 2376, "generic")
    assert {"--tlsverify", "--label=zone=a", "--label=provider=generic", "--mtu=1400"} <= set(command)
    assert "--insecure-registry=r:5000" in command


def test_a_record_survives_the_disk_and_is_private(tmp_path: Path) -> None:
    Store(tmp_path).add(record())
    machine = Store(tmp_path).load("web1")
    assert machine.driver.url() == "tcp://10.0.0.5:2376"
    assert stat.S_IMODE((tmp_path / "machines/web1/config.json").stat().st_mode) == 0o600


def test_a_name_is_taken_once_and_must_be_a_host_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add(record())
    with pytest.raises(Conflict, match="already exists"):
        store.add(record())
    for name in ("../x", "", "a b", "-a"):
        with pytest.raises(InvalidParameter, match="Invalid hostname"):
            store.add(record(name))


def test_unknown_and_damaged_machines_are_told_apart(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(NotFound, match="does not exist"):
        store.load("web9")
    store.add(record())
    (tmp_path / "machines/web1/config.json").write_text("{")
    with pytest.raises(SystemFailure, match=r"damaged .*web1/config\.json"):
        store.load("web1")


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", 'export DOCKER_HOST="tcp://h"'),
        ("fish", 'set -gx DOCKER_HOST "tcp://h";'),
        ("powershell", '$Env:DOCKER_HOST = "tcp://h"'),
        ("cmd", "SET DOCKER_HOST=tcp://h"),
        ("tcsh", 'setenv DOCKER_HOST "tcp://h";'),
        ("emacs", '(setenv "DOCKER_HOST" "tcp://h")'),
    ],
)
def test_variables_are_set_in_each_shells_words(shell: str, line: str) -> None:
    assert shells.export(shell, {"DOCKER_HOST": "tcp://h"}, "x").splitlines()[0] == line


def test_the_shell_is_detected_by_its_program() -> None:
    assert shells.detect({"SHELL": "/usr/bin/fish"}) == "fish"
    assert shells.detect({"SHELL": "/opt/oddsh"}) == "sh"
    with pytest.raises(InvalidParameter, match="unknown shell"):
        shells.export("oddsh", {}, "x")


def test_templates_reach_members_and_refuse_what_is_not_there() -> None:
    value = {"Driver": {"IPAddress": "10.0.0.5"}, "N": 3}
    assert render("ip {{.Driver.IPAddress}} {{json .Driver}} {{.N}}", value) == (
        'ip 10.0.0.5 {"IPAddress":"10.0.0.5"} 3'
    )
    for template in ("{{.Nope}}", "{{range .Driver}}"):
        with pytest.raises(DockyardError, match="template"):
            render(template, value)


def test_the_none_driver_goes_through_the_command_line(tmp_path: Path) -> None:
    assert call(tmp_path, "create", "-d", "none", "--url", "tcp://10.0.0.5:2375", "web2").exit_code == 0
    assert call(tmp_path, "create", "-d", "none", "--url", "tcp://10.0.0.6:2375", "web10").exit_code == 0
    assert call(tmp_path, "url", "web2").output == "tcp://10.0.0.5:2375\n"
    assert call(tmp_path, "ip", "web2", "web10").output == "10.0.0.5\n10.0.0.6\n"
    assert call(tmp_path, "ls", "-q").output == "web2\nweb10\n"
    assert 'export DOCKER_HOST="tcp://10.0.0.5:2375"' in call(tmp_path, "env", "web2", "--shell", "sh").output
    assert call(tmp_path, "rm", "-y", "web2").output == "Successfully removed web2\n"
    assert call(tmp_path, "ls", "-q").output == "web10\n"


def test_a_failed_pre_create_check_leaves_nothing(tmp_path: Path) -> None:
    result = call(tmp_path, "create", "-d", "generic", "--generic-ip-address", "10.0.0.5",
                  "--generic-ssh-key", str(tmp_path / "nokey"), "web1")  # fmt: skip
    assert isinstance(result.exception, DockyardError)
    assert getattr(result.exception, "exit_code", None) == 3
    assert "SSH key does not exist" in str(result.exception)
    assert Store(tmp_path).names() == []


def test_the_generic_driver_asks_for_its_address(tmp_path: Path) -> None:
    result = call(tmp_path, "create", "-d", "generic", "web1")
    assert "requires the --generic-ip-address option" in str(result.exception)
    assert "--generic-ssh-port" in call(tmp_path, "create", "-d", "generic", "--help").output


def test_filters_are_checked_and_applied(tmp_path: Path) -> None:
    Store(tmp_path).add(record())
    assert call(tmp_path, "ls", "-q", "--filter", "name=^web").output == "web1\n"
    assert call(tmp_path, "ls", "-q", "--filter", "name=^db").output == ""
    assert isinstance(call(tmp_path, "ls", "--filter", "color=red").exception, InvalidParameter)
