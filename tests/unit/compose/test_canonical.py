import pytest

from compose.errors import FileInvalid
from compose.loader.canonical import SERVICE, canonical
from compose.loader.ports import canonical_port
from compose.loader.units import format_duration, parse_duration, parse_size


def port(target, published="", protocol="tcp", ip=""):
    result = {"mode": "ingress", "target": target, "protocol": protocol}
    if published:
        result["published"] = published
    if ip:
        result["host_ip"] = ip
    return result


@pytest.mark.parametrize(
    ("short", "ports"),
    [
        ("80", [port(80)]),
        (80, [port(80)]),
        ("8080:80", [port(80, "8080")]),
        ("8080:80/udp", [port(80, "8080", "udp")]),
        ("127.0.0.1:8080:80", [port(80, "8080", ip="127.0.0.1")]),
        ("127.0.0.1::80", [port(80, ip="127.0.0.1")]),
        ("[::1]:8080:80", [port(80, "8080", ip="::1")]),
        ("80-81", [port(80), port(81)]),
        ("8080-8081:80-81", [port(80, "8080"), port(81, "8081")]),
        ("8080-8090:80", [port(80, "8080-8090")]),
        ("0:80", [port(80, "0")]),
    ],
)
def test_short_ports(short, ports):
    assert canonical_port(short) == ports


@pytest.mark.parametrize(
    "short", ["", "a:80", "80:a", "8080-8081:80-82", "70000", "80:80/http", "81-80", "0", ":80:"]
)
def test_bad_ports(short):
    with pytest.raises(ValueError, match=r"port|protocol"):
        canonical_port(short)


def test_long_ports():
    assert canonical_port({"target": "80", "published": 8080, "protocol": "UDP"}) == [port(80, "8080", "udp")]


@pytest.mark.parametrize(
    ("attribute", "given", "result"),
    [
        ("command", "echo 'a b' c", ["echo", "a b", "c"]),
        ("command", None, None),
        ("environment", ["A=1", "B", "C="], {"A": "1", "B": None, "C": ""}),
        (
            "environment",
            {"A": 1, "B": True, "C": 1.5, "D": None},
            {"A": "1", "B": "true", "C": "1.5", "D": None},
        ),
        ("labels", ["a", "b=c"], {"a": "", "b": "c"}),
        ("privileged", "yes", True),
        ("mem_limit", "1.5g", 1610612736),
        ("mem_limit", 512, 512),
        ("extra_hosts", {"a": "1.1.1.1", "b": ["2.2.2.2", "::1"]}, ["a=1.1.1.1", "b=2.2.2.2", "b=::1"]),
        ("extra_hosts", ["a:1.1.1.1", "b=::1", "c:[::2]"], ["a=1.1.1.1", "b=::1", "c=::2"]),
        ("tmpfs", "/run", ["/run"]),
        ("expose", [80, "81/udp"], ["80", "81/udp"]),
        ("stop_grace_period", "90s", "1m30s"),
        ("devices", ["/dev/a:/dev/b:r"], [{"source": "/dev/a", "target": "/dev/b", "permissions": "r"}]),
        ("healthcheck", {"test": "a b", "retries": "3"}, {"test": ["CMD-SHELL", "a b"], "retries": 3}),
        ("build", ".", {"context": "."}),
        ("extends", "base", {"service": "base"}),
    ],
)
def test_short_forms(attribute, given, result):
    assert SERVICE[attribute](given) == result


@pytest.mark.parametrize(
    ("short", "mount"),
    [
        ("/data", {"type": "volume", "target": "/data"}),
        ("v:/data", {"type": "volume", "source": "v", "target": "/data"}),
        (
            "v:/d:ro,nocopy",
            {"type": "volume", "source": "v", "target": "/d", "read_only": True, "volume": {"nocopy": True}},
        ),
        ("./a:/d", {"type": "bind", "source": "./a", "target": "/d", "bind": {"create_host_path": True}}),
        (
            "~/a:/d:ro,Z",
            {
                "type": "bind",
                "source": "~/a",
                "target": "/d",
                "read_only": True,
                "bind": {"create_host_path": True, "selinux": "Z"},
            },
        ),
    ],
)
def test_short_volumes(short, mount):
    assert SERVICE["volumes"]([short]) == [mount]


@pytest.mark.parametrize("short", ["", "a:b", ":/x", "a:/b:ro:rw"])
def test_bad_volumes(short):
    with pytest.raises(FileInvalid, match="is no valid volume") as caught:
        SERVICE["volumes"](["v:/x", short])
    assert caught.value.path == (1,)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"services": {"web": {"privileged": "maybe"}}}, r"services\.web\.privileged must be true or false"),
        (
            {"services": {"web": {"healthcheck": {"interval": "soon"}}}},
            r"services\.web\.healthcheck\.interval .*duration",
        ),
        ({"services": {"web": {"ports": ["x"]}}}, r"services\.web\.ports\[0\] is no valid port"),
        ({"networks": {"n": {"internal": "maybe"}}}, r"networks\.n\.internal must be true or false"),
    ],
)
def test_errors_name_the_path(tree, words):
    with pytest.raises(FileInvalid, match=words):
        canonical(tree)


@pytest.mark.parametrize(
    ("text", "nanoseconds", "shown"),
    [
        ("1s", 10**9, "1s"),
        ("1m30s", 90 * 10**9, "1m30s"),
        ("500ms", 5 * 10**8, "500ms"),
        ("0", 0, "0s"),
        ("1h", 3600 * 10**9, "1h0m0s"),
        ("5", 5 * 10**9, "5s"),
        ("1.5s", 15 * 10**8, "1.5s"),
    ],
)
def test_durations(text, nanoseconds, shown):
    assert parse_duration(text) == nanoseconds
    assert format_duration(text) == shown


@pytest.mark.parametrize("text", ["", "x", "1s2", "1 s", "s"])
def test_bad_durations(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("1k", 1024), ("1KB", 1024), ("2MiB", 2 << 20), ("1b", 1), ("-1", -1)]
)
def test_sizes(text, size):
    assert parse_size(text) == size
