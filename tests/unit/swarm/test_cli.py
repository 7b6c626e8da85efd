import re
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from engine.errdefs import InvalidParameter, Unsupported
from swarm.cli.main import cli
from swarm.cli.manage import command as manage_command
from swarm.cli.manage import configuration
from swarm.cli.options import DURATION

PYSWARM = Path(sys.executable).parent / "pyswarm"


def invoke(*args, **env):
    return CliRunner().invoke(cli, args, env=env, catch_exceptions=True)


def flags(*args):
    context = manage_command.make_context("manage", [*args, "nodes://a:1"])
    return configuration({k: v for k, v in context.params.items() if k != "discovery"})


@pytest.mark.parametrize("verb", ["create", "join", "list", "manage"])
def test_every_verb_explains_itself(verb):
    assert verb in invoke("--help").output
    done = invoke(verb, "--help")
    assert done.exit_code == 0
    assert "Usage" in done.output


def test_create_prints_a_fresh_id():
    one, two = invoke("create").output, invoke("create").output
    assert re.fullmatch(r"[0-9a-f]{32}\n", one)
    assert one != two


def test_list_takes_the_discovery_from_its_argument_or_the_environment():
    assert invoke("list", "a:1,b").exit_code != 0
    assert invoke("list", "n[1:2]:1").output == "n1:1\nn2:1\n"
    assert invoke("list", SWARM_DISCOVERY="nodes://x:1").output == "x:1\n"
    assert invoke("list").exit_code == 2


def test_the_originals_flags_and_defaults():
    config = flags()
    assert config.hosts == ("tcp://127.0.0.1:2375",)
    assert config.cluster.strategy == "spread"
    assert config.cluster.filters == (
        "health", "port", "containerslots", "dependency", "affinity", "constraint", "whitelist",
    )  # fmt: skip
    assert (config.cluster.refresh_min, config.cluster.refresh_max) == (30, 60)
    assert (config.cluster.failure_retry, config.cluster.overcommit, config.cluster.create_retry) == (
        3,
        0.05,
        0,
    )
    assert (config.cluster.failure_retry + 1) * config.cluster.ping_interval <= 5, (
        "a dead node is seen in time"
    )


def test_flags_reach_the_configuration(tmp_path):
    config = flags(
        "--strategy", "binpack", "-f", "health", "--filter", "port", "-H", "tcp://0.0.0.0:1", "-H", "unix:///x",
        "--engine-refresh-min-interval", "5s", "--engine-refresh-max-interval", "1m",
        "--engine-failure-retry", "5",
        "--cluster-opt", "swarm.overcommit=0.5", "--cluster-opt", "swarm.createretry=2", "--cors",
    )  # fmt: skip
    assert config.hosts == ("tcp://0.0.0.0:1", "unix:///x")
    assert config.cors
    assert config.cluster.strategy == "binpack"
    assert config.cluster.filters == ("health", "port")
    assert (config.cluster.refresh_min, config.cluster.refresh_max) == (5, 60)
    assert (config.cluster.failure_retry, config.cluster.overcommit, config.cluster.create_retry) == (
        5,
        0.5,
        2,
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--cluster-opt", "x"], "wants KEY=VALUE"),
        (["--cluster-opt", "x=1"], "unknown --cluster-opt x"),
        (["--cluster-opt", "swarm.overcommit=much"], "wants a number"),
        (["--cluster-opt", "swarm.overcommit=-1"], "can't be negative"),
        (["--engine-refresh-min-interval", "70s"], "at most the max interval"),
        (["--engine-ping-interval", "0s"], "must be above 0"),
        (["--tls"], "--tlscert and --tlskey are needed"),
        (["--tlsverify", "--tlscert", "c", "--tlskey", "k"], "--tlscacert is needed"),
    ],
)
def test_what_cannot_be_is_refused(args, message):
    with pytest.raises(InvalidParameter, match=re.escape(message)):
        flags(*args)


@pytest.mark.parametrize(
    ("args", "kind", "message"),
    [
        (["--heartbeat", "500ms"], InvalidParameter, "at least one second"),
        (["--heartbeat", "10s", "--ttl", "10s"], InvalidParameter, "--ttl must be"),
        (["--addr", "nonsense"], InvalidParameter, "invalid node address"),
    ],
)
def test_join_checks_what_it_is_told(tmp_path, args, kind, message):
    done = invoke("join", "--advertise", "h:1", *args, f"sqlite://{tmp_path}/kv.db")
    assert isinstance(done.exception, kind)
    assert message in str(done.exception)


def test_nobody_can_join_a_list():
    done = invoke("join", "--advertise", "h:1", "nodes://a:1")
    assert "can't be joined" in str(done.exception)
    assert isinstance(invoke("list", "token://abc").exception, Unsupported)


@pytest.mark.parametrize(
    ("text", "seconds"), [("10", 10), ("1.5s", 1.5), ("500ms", 0.5), ("1h1m1s", 3661), ("2m", 120)]
)
def test_durations(text, seconds):
    assert DURATION.convert(text, None, None) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "1d", "1m30", "-1m", "1s junk"])
def test_what_is_no_duration(text):
    with pytest.raises(click.BadParameter):
        DURATION.convert(text, None, None)


def test_an_error_is_one_line_and_exit_code_1():
    done = subprocess.run([PYSWARM, "list", "file:///nowhere"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "cannot read /nowhere: No such file or directory\n")
    done = subprocess.run(
        [PYSWARM, "manage", "--strategy", "best", "a:1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "strategy 'best' not supported (known: spread, binpack, random" in done.stderr


def test_a_node_that_joined_is_listed(tmp_path):
    url = f"sqlite://{tmp_path}/kv.db"
    with subprocess.Popen(
        [PYSWARM, "join", "--advertise", "10.0.0.1:2375", url], stderr=subprocess.DEVNULL
    ) as joined:
        try:
            deadline = time.monotonic() + 30
            while invoke("list", url).output != "10.0.0.1:2375\n":
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            joined.terminate()
