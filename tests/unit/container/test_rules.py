"""The small pure rules: validation, users, signals, restart policy, health, detach keys, words."""

import pytest

from engine.api.durations import human_duration
from engine.container import detach, health, restart, signals, status, validate
from engine.container.model import Container, Health, ProbeResult, State, Status
from engine.container.timestamps import SECOND
from engine.container.users import resolve
from engine.errdefs import InvalidParameter

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
# note
alice:x:1000:1000::/home/alice:/bin/sh
broken
77:x:5:5::/five:
"""
GROUP = "root:x:0:\nalice:x:1000:\nstaff:x:50:alice,bob\nbroken\n"


@pytest.mark.parametrize(
    ("user", "extra", "expected"),
    [
        ("", [], (0, 0, (0,), "/root")),
        ("alice", [], (1000, 1000, (1000, 50), "/home/alice")),
        ("1000", [], (1000, 1000, (1000, 50), "/home/alice")),
        ("alice:staff", [], (1000, 50, (50,), "/home/alice")),
        ("1000:50", [], (1000, 50, (50,), "/home/alice")),
        ("4000", [], (4000, 0, (0,), "/")),
        ("4000:60", [], (4000, 60, (60,), "/")),
        ("alice", ["staff", "77"], (1000, 1000, (1000, 50, 77), "/home/alice")),
        ("77", [], (5, 5, (5,), "/five")),
    ],
)
def test_users(user, extra, expected):
    who = resolve(user, extra, PASSWD, GROUP)
    assert (who.uid, who.gid, who.groups, who.home) == expected


@pytest.mark.parametrize(
    ("user", "extra", "words"),
    [
        ("nobody", [], "unable to find user nobody: no matching entries in passwd file"),
        ("alice:nope", [], "unable to find group nope: no matching entries in group file"),
        ("alice", ["nope"], "Unable to find group nope: no matching entries in group file"),
        ("99999999999", [], "uids and gids must be in range 0-2147483647"),
    ],
)
def test_unknown_users(user, extra, words):
    with pytest.raises(InvalidParameter, match=words):
        resolve(user, extra, PASSWD, GROUP)


def test_an_image_without_accounts_knows_root_by_number_only():
    assert resolve("", [], "", "").uid == 0
    with pytest.raises(InvalidParameter, match="unable to find user root"):
        resolve("root", [], "", "")


@pytest.mark.parametrize(
    ("text", "number"),
    [("SIGTERM", 15), ("term", 15), ("9", 9), ("SIGRTMIN", 34), ("RTMIN+3", 37), ("rtmax-1", 63), ("HUP", 1)],
)
def test_signals(text, number):
    assert signals.parse(text) == number


@pytest.mark.parametrize("text", ["", "0", "65", "FOO", "RTMIN+31", "-9", "SIG"])
def test_what_is_no_signal(text):
    with pytest.raises(InvalidParameter, match="Invalid signal"):
        signals.parse(text)


@pytest.mark.parametrize(
    ("config", "host", "words"),
    [
        ({"WorkingDir": "rel"}, {}, "the working directory 'rel' is invalid"),
        ({"Env": ["=x"]}, {}, "invalid environment variable: =x"),
        ({"Healthcheck": {"Interval": 10}}, {}, "Interval in Healthcheck cannot be less than 1ms"),
        ({"ExposedPorts": {"x/tcp": {}}}, {}, "invalid port specification"),
        ({}, {"PortBindings": {"80/tcp": [{"HostPort": "99999"}]}}, "invalid port specification"),
        ({}, {"RestartPolicy": {"Name": "foo"}}, "unknown policy 'foo'"),
        (
            {},
            {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}},
            "can only be used with 'on-failure'",
        ),
        ({}, {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -1}}, "cannot be negative"),
        ({}, {"RestartPolicy": {"Name": "always"}, "AutoRemove": True}, "can't create 'AutoRemove'"),
        ({}, {"Memory": 100}, "Minimum memory limit allowed is 6MB"),
        ({}, {"Memory": 64 << 20, "MemorySwap": 32 << 20}, "Minimum memoryswap limit"),
        ({}, {"MemorySwap": 32 << 20}, "You should always set the Memory limit"),
        ({}, {"NanoCpus": 10**9, "CpuQuota": 5000}, "Conflicting options: Nano CPUs and CPU Quota"),
        ({}, {"NanoCpus": 10**15}, "range of CPUs is from 0.01 to"),
        ({}, {"CpuPeriod": 5}, "CPU cfs period"),
        ({}, {"CpusetCpus": "a-b"}, "Invalid value a-b for cpuset cpus"),
        ({}, {"CpusetCpus": "4000"}, "Requested CPUs are not available"),
        ({}, {"OomScoreAdj": 2000}, "range for oom score adj"),
        ({}, {"IpcMode": "odd"}, "invalid IPC mode: odd"),
        ({}, {"NetworkMode": "container:"}, "invalid container format"),
        (
            {"Hostname": "x"},
            {"NetworkMode": "container:y"},
            "conflicting options: hostname and the network mode",
        ),
        (
            {},
            {"NetworkMode": "container:y", "PublishAllPorts": True},
            "port publishing and the container type",
        ),
        ({}, {"ExtraHosts": ["nope"]}, 'bad format for add-host: "nope"'),
        ({}, {"Runtime": "kata"}, "unknown or invalid runtime name: kata"),
        ({}, {"StorageOpt": {"size": "1G"}}, "--storage-opt is not supported"),
        (
            {},
            {"DeviceRequests": [{"Capabilities": [["gpu"]]}]},
            'driver "" with capabilities: [[gpu]]',
        ),
        ({"StopSignal": "FOO"}, {}, "Invalid signal: FOO"),
    ],
)
def test_what_can_not_be_created(config, host, words):
    with pytest.raises(InvalidParameter) as caught:
        validate.create(dict(config), dict(host))
    assert words in str(caught.value)


def test_a_working_directory_is_cleaned():
    config = {"WorkingDir": "/a/../b//c/"}
    validate.create(config, {})
    assert config["WorkingDir"] == "/b/c"


def ending(**fields):
    defaults = {"exit_code": 1, "uptime": 1.0, "restarts": 0, "stopped": False, "last_delay": 0.0}
    return restart.Ending(**(defaults | fields))


@pytest.mark.parametrize(
    ("policy", "end", "delay"),
    [
        ({"Name": "no"}, {}, None),
        ({"Name": ""}, {}, None),
        ({"Name": "always"}, {"exit_code": 0}, 0.1),
        ({"Name": "always"}, {"stopped": True}, None),
        ({"Name": "unless-stopped"}, {}, 0.1),
        ({"Name": "on-failure"}, {"exit_code": 0}, None),
        ({"Name": "on-failure"}, {"restarts": 1000}, 0.1),
        ({"Name": "on-failure", "MaximumRetryCount": 2}, {"restarts": 1}, 0.1),
        ({"Name": "on-failure", "MaximumRetryCount": 2}, {"restarts": 2}, None),
        ({"Name": "always"}, {"last_delay": 0.4}, 0.8),
        ({"Name": "always"}, {"last_delay": 50.0}, 60.0),
        ({"Name": "always"}, {"last_delay": 50.0, "uptime": 10.0}, 0.1),
    ],
)
def test_restart_policy(policy, end, delay):
    assert restart.decide(policy, ending(**end)) == delay


@pytest.mark.parametrize(
    ("name", "active", "stopped", "starts"),
    [
        ("no", True, False, False),
        ("always", False, True, True),
        ("unless-stopped", False, True, False),
        ("unless-stopped", True, False, True),
        ("on-failure", True, False, True),
        ("on-failure", False, False, False),
    ],
)
def test_restart_policy_when_the_daemon_starts(name, active, stopped, starts):
    assert restart.at_boot({"Name": name}, was_active=active, manually_stopped=stopped) is starts


def result(code):
    return ProbeResult(1, 2, code)


def test_health_turns_after_as_many_failures_as_allowed_and_back_with_one_success():
    probe = health.Probe(("true",), retries=2)
    now = Health()
    now = health.judge(now, result(1), probe, 100)
    assert (now.status, now.failing_streak) == ("starting", 1)
    now = health.judge(now, result(1), probe, 100)
    assert (now.status, now.failing_streak) == ("unhealthy", 2)
    now = health.judge(now, result(0), probe, 100)
    assert (now.status, now.failing_streak) == ("healthy", 0)


def test_failures_in_the_start_period_do_not_count():
    probe = health.Probe(("true",), retries=1, start_period=30)
    now = health.judge(Health(), result(1), probe, 10)
    assert (now.status, now.failing_streak) == ("starting", 0)
    assert health.judge(now, result(1), probe, 31).status == "unhealthy"


def test_only_the_last_five_results_are_kept():
    probe, now = health.Probe(("true",)), Health()
    for index in range(7):
        now = health.judge(now, ProbeResult(index, index, 0), probe, 1)
    assert [one.start for one in now.log] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("config", "command"),
    [
        ({}, None),
        ({"Healthcheck": {"Test": ["NONE"]}}, None),
        ({"Healthcheck": {"Test": []}}, None),
        ({"Healthcheck": {"Test": ["CMD", "a", "b"]}}, ("a", "b")),
        ({"Healthcheck": {"Test": ["CMD-SHELL", "a b"]}}, ("/bin/sh", "-c", "a b")),
        (
            {"Shell": ["/bin/ash", "-ec"], "Healthcheck": {"Test": ["CMD-SHELL", "x"]}},
            ("/bin/ash", "-ec", "x"),
        ),
    ],
)
def test_what_a_health_check_runs(config, command):
    probe = health.probe_of(config)
    assert (probe.command if probe else None) == command


def test_the_time_between_checks():
    probe = health.probe_of(
        {"Healthcheck": {"Test": ["CMD", "x"], "Interval": 20 * SECOND, "StartPeriod": 9 * SECOND}}
    )
    assert probe is not None
    assert probe.delay("starting", 1) == 5
    assert probe.delay("starting", 10) == 20
    assert probe.delay("healthy", 1) == 20


@pytest.mark.parametrize(
    ("text", "keys"), [("", b"\x10\x11"), ("ctrl-a,b", b"\x01b"), ("ctrl-@", b"\x00"), ("ctrl-_", b"\x1f")]
)
def test_detach_keys(text, keys):
    assert detach.parse(text) == keys


@pytest.mark.parametrize("text", ["ctrl-", "ctrl-1", "alt-a", "ab"])
def test_malformed_detach_keys(text):
    with pytest.raises(InvalidParameter, match="Invalid detach keys"):
        detach.parse(text)


@pytest.mark.parametrize(
    ("chunks", "passed", "detached"),
    [
        ([b"abc"], b"abc", False),
        ([b"a\x10\x11b"], b"a", True),
        ([b"a\x10", b"\x11"], b"a", True),
        ([b"a\x10", b"b"], b"a\x10b", False),
        ([b"\x10\x10\x11"], b"\x10", True),
    ],
)
def test_the_detach_sequence_is_held_back_until_it_is_decided(chunks, passed, detached):
    scanner = detach.Scanner(b"\x10\x11")
    out, done = b"", False
    for chunk in chunks:
        part, done = scanner.feed(chunk)
        out += part
    assert (out, done) == (passed, detached)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (150, "2 minutes"),
        (3600, "About an hour"),
        (7200, "2 hours"),
        (86400 * 2, "2 days"),
        (86400 * 20, "2 weeks"),
        (86400 * 90, "3 months"),
        (86400 * 800, "2 years"),
    ],
)
def test_durations_in_words(seconds, words):
    assert human_duration(seconds) == words


def stands(**state):
    return Container("i", "n", 1, "p", [], "im", "id", {}, {}, state=State(**state))


NOW = 1_000_000 * SECOND


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({}, "Created"),
        ({"status": Status.RUNNING, "started_at": NOW - 3 * SECOND}, "Up 3 seconds"),
        ({"status": Status.PAUSED, "started_at": NOW - 3 * SECOND}, "Up 3 seconds (Paused)"),
        (
            {"status": Status.RUNNING, "started_at": NOW - SECOND, "health": Health("healthy")},
            "Up 1 second (healthy)",
        ),
        (
            {"status": Status.RUNNING, "started_at": NOW - SECOND, "health": Health()},
            "Up 1 second (health: starting)",
        ),
        (
            {"status": Status.EXITED, "exit_code": 3, "started_at": 5, "finished_at": NOW - 120 * SECOND},
            "Exited (3) 2 minutes ago",
        ),
        (
            {"status": Status.RESTARTING, "exit_code": 3, "started_at": 5, "finished_at": NOW - SECOND},
            "Restarting (3) 1 second ago",
        ),
        ({"status": Status.DEAD}, "Dead"),
        ({"status": Status.REMOVING}, "Removal In Progress"),
    ],
)
def test_status_words(state, words):
    assert status.describe(stands(**state), NOW) == words
