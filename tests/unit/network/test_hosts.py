from __future__ import annotations

from pathlib import Path

import pytest

from engine.errdefs import InvalidParameter
from engine.network.hosts import (
    ResolvConf,
    host_resolv_conf,
    hosts_text,
    own_names,
    parse_extra_hosts,
    parse_resolv_conf,
    revised_hosts,
    revised_resolv_conf,
)


def test_hosts_as_docker_writes_it() -> None:
    text = hosts_text([("172.17.0.2", ("web",))], [("db", "10.0.0.1")])
    assert text == (
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\n"
        "ff00::0\tip6-mcastprefix\n"
        "ff02::1\tip6-allnodes\n"
        "ff02::2\tip6-allrouters\n"
        "10.0.0.1\tdb\n"
        "172.17.0.2\tweb\n"
    )


@pytest.mark.parametrize(
    ("hostname", "domain", "names"),
    [
        ("web", "", ("web",)),
        ("web", "example.org", ("web.example.org", "web")),
        ("web.example.org", "", ("web.example.org", "web")),
    ],
)
def test_own_names(hostname: str, domain: str, names: tuple[str, ...]) -> None:
    assert own_names(hostname, domain) == names


def test_extra_hosts() -> None:
    entries = ["db:10.0.0.1", "six:[fd00::1]", "also=fd00::2", "up:host-gateway"]
    assert parse_extra_hosts(entries, "172.17.0.1") == [
        ("db", "10.0.0.1"),
        ("six", "fd00::1"),
        ("also", "fd00::2"),
        ("up", "172.17.0.1"),
    ]


@pytest.mark.parametrize("entry", ["db", ":10.0.0.1", "db:nowhere", "db:"])
def test_bad_extra_hosts(entry: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_extra_hosts([entry], "172.17.0.1")


def test_host_gateway_without_a_default_network() -> None:
    with pytest.raises(InvalidParameter, match="host-gateway-ip"):
        parse_extra_hosts(["up:host-gateway"], "")


RESOLV = """\
# comment
; another
domain old.example
nameserver 127.0.0.1
nameserver 10.0.0.2  # inline
search a.example b.example
options ndots:2 edns0
options rotate
sortlist 1.2.3.4
"""


def test_resolv_conf_is_read() -> None:
    assert parse_resolv_conf(RESOLV) == ResolvConf(
        ("127.0.0.1", "10.0.0.2"), ("a.example", "b.example"), ("ndots:2", "edns0", "rotate")
    )


def test_loopback_servers_are_not_the_containers() -> None:
    assert parse_resolv_conf(RESOLV).without_loopback().servers == ("10.0.0.2",)
    assert parse_resolv_conf("nameserver ::1\n").without_loopback().servers == ("8.8.8.8", "8.8.4.4")


def test_what_is_given_replaces() -> None:
    found = parse_resolv_conf(RESOLV).overlaid(["1.1.1.1"], [], ["use-vc"])
    assert found.text() == "nameserver 1.1.1.1\nsearch a.example b.example\noptions use-vc\n"


def test_a_lone_dot_is_no_search_domain() -> None:
    assert ResolvConf(("1.1.1.1",), (".",)).text() == "nameserver 1.1.1.1\n"


def test_the_embedded_server_stands_before_all() -> None:
    assert ResolvConf(("1.1.1.1",), ("x",), ("edns0",)).embedded().text() == (
        "nameserver 127.0.0.11\nsearch x\noptions edns0 ndots:0\n"
    )
    assert "ndots:3" in ResolvConf((), (), ("ndots:3",)).embedded().text()


def test_no_resolv_conf(tmp_path: Path) -> None:
    assert host_resolv_conf(tmp_path / "missing") == ResolvConf()


def test_hosts_of_a_running_container() -> None:
    before = hosts_text([("172.17.0.2", ("web",))], [])
    after = hosts_text([("172.18.0.2", ("web",))], [])
    current = before + "10.0.0.9\tmine\n"
    assert revised_hosts(current, before, after) == (
        before.replace("172.17.0.2\tweb\n", "") + "10.0.0.9\tmine\n172.18.0.2\tweb\n"
    )
    assert revised_hosts(before, before, before) == before


def test_resolv_conf_of_a_running_container() -> None:
    assert revised_resolv_conf("a\n", "a\n", "b\n") == "b\n"
    assert revised_resolv_conf("mine\n", "a\n", "b\n") == "mine\n"
