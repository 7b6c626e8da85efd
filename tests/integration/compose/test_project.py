# ruff: noqa: E501 - cases stand on one line each
"""What users do with a project, on our engine, on dockerd, and on a cluster."""

from __future__ import annotations

import signal
import textwrap

import pytest

pytestmark = [pytest.mark.root, pytest.mark.slow]

APP = """
services:
  db:
    image: busybox
    command: sh -c 'trap "exit 0" TERM; echo db is up; touch /data/ready; while :; do sleep 0.1; done'
    volumes: ["data:/data", /anonymous]
    healthcheck: {test: test -e /data/ready, interval: 0.5s}
  init:
    image: busybox
    command: echo init is done
  web:
    image: busybox
    command: sh -c 'trap "exit 0" TERM; echo $$GREETING; while :; do sleep 0.1; done'
    environment: {GREETING: "${GREETING:-hello}"}
    stop_grace_period: 5s
    depends_on:
      db: {condition: service_healthy}
      init: {condition: service_completed_successfully}
volumes: {data: {}}
"""


def test_up_ps_logs_exec_stop_down(compose):
    compose.write(APP)
    compose("up", "-d")
    found = compose.ps()
    name = compose.name
    assert {n: (c["State"], c["Health"]) for n, c in found.items()} == {
        f"{name}-db-1": ("running", "healthy"),
        f"{name}-init-1": ("exited", ""),
        f"{name}-web-1": ("running", ""),
    }
    assert sorted(compose("logs").splitlines()) == [
        "db-1    | db is up",
        "init-1  | init is done",
        "web-1   | hello",
    ]
    assert compose("logs", "--no-log-prefix", "web") == "hello\n"
    assert compose("exec", "-T", "-e", "A=1", "-w", "/tmp", "web", "sh", "-c", "echo $A; pwd") == "1\n/tmp\n"
    assert compose("exec", "-T", "web", "cat", input="through stdin") == "through stdin"
    assert compose.try_("exec", "-T", "web", "sh", "-c", "exit 7").returncode == 7
    compose("stop", "web")
    assert compose("ps", "--services") == "db\n"
    failed = compose.try_("exec", "-T", "web", "true")
    assert (failed.returncode, failed.stderr) == (1, 'service "web" is not running\n')
    compose("down", "-v")
    assert compose.gone()


def test_a_second_up_changes_only_what_changed(compose):
    compose.write(APP)
    compose("up", "-d")
    before = {name: c["ID"] for name, c in compose.ps().items()}
    compose("up", "-d")
    assert {name: c["ID"] for name, c in compose.ps().items()} == before
    compose.env["GREETING"] = "again"
    plan = compose("--dry-run", "up", "-d")
    assert f"create {compose.name}-web-1 (its configuration has changed)" in plan
    assert f"create {compose.name}-db-1" not in plan
    compose("up", "-d")
    after = {name: c["ID"] for name, c in compose.ps().items()}
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {f"{compose.name}-web-1"}
    assert compose("logs", "--no-log-prefix", "web") == "again\n"


def test_anonymous_volumes_survive_a_recreate_unless_renewed(compose):
    compose.write(APP)
    compose("up", "-d", "db")
    compose("exec", "-T", "db", "sh", "-c", "echo kept > /anonymous/f; echo kept > /data/f")
    compose("up", "-d", "--force-recreate", "db")
    assert compose("exec", "-T", "db", "cat", "/anonymous/f", "/data/f") == "kept\nkept\n"
    compose("up", "-d", "--force-recreate", "-V", "db")
    assert compose("exec", "-T", "db", "ls", "/anonymous") == ""


def test_scaling_up_and_down(compose):
    compose.write(APP)
    compose("up", "-d", "--no-deps", "--scale", "web=3", "web")
    assert sorted(compose.ps()) == [f"{compose.name}-web-{n}" for n in (1, 2, 3)]
    compose("up", "-d", "--no-deps", "--scale", "web=1", "web")
    assert sorted(compose.ps()) == [f"{compose.name}-web-1"]


def test_start_restart_kill_and_rm(compose):
    compose.write(APP)
    compose("up", "-d", "--no-start")
    assert {c["State"] for c in compose.ps().values()} == {"created"}
    compose("start", "db")
    compose("restart", "-t", "1", "db")
    assert compose("ps", "--services") == "db\n"
    compose("kill", "db")
    compose("rm", "-f")
    assert compose.ps() == {}


def test_a_built_image_with_a_published_port(compose):
    compose.write(
        """
services:
  web:
    build: {context: app, args: {WHO: world}}
    ports: ["80"]
    healthcheck: {test: wget -q -O - http://127.0.0.1, interval: 0.5s}
"""
    )
    compose.write(
        textwrap.dedent(
            """
            FROM busybox
            ARG WHO
            COPY . /context
            RUN mkdir /www && echo "hello $WHO" > /www/index.html && test ! -e /context/secret
            CMD ["httpd", "-f", "-h", "/www"]
            """
        ),
        "app/Dockerfile",
    )
    compose.write("secret\n", "app/.dockerignore")
    compose.write("x", "app/secret")
    compose("up", "-d", "--wait", timeout=120)
    address = compose("port", "web", "80").strip()
    host = compose.docker._enter
    assert address.rpartition(":")[2].isdigit()
    if host:  # the manager names the node's address: fetch it from the host that reaches it
        assert "hello world" in host.run("busybox", "wget", "-q", "-O", "-", f"http://{address}/")
    assert compose("exec", "-T", "web", "wget", "-q", "-O", "-", "http://127.0.0.1/") == "hello world\n"
    compose("down", "--rmi", "local")
    assert f"{compose.name}-web" not in compose.docker("images")


def test_run_attaches_and_passes_the_exit_code_on(compose):
    compose.write(APP)
    done = compose.try_(
        "run", "--rm", "--no-deps", "-e", "A=1", "web", "sh", "-c", "cat; echo $A; exit 3", input="in "
    )
    assert (done.returncode, done.stdout) == (3, "in 1\n")
    assert compose.ps() == {}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_in_the_foreground_a_signal_stops_everything(compose, number, code):
    compose.write(APP)
    process = compose.popen("up")
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "web-1" in line and "| hello" in line:
            process.send_signal(number)
            break
    rest, _ = process.communicate(timeout=60)
    text = "".join(lines) + rest
    assert process.returncode == code, text
    assert "db-1  " in text
    assert "init-1 exited with code 0" in text
    assert "web-1 exited with code 0" in text
    assert {c["State"] for c in compose.ps().values()} == {"exited"}


def test_in_the_foreground_the_exit_code_of_a_service_counts(compose):
    compose.write(
        """
services:
  test: {image: busybox, command: sh -c 'echo testing; exit 4', depends_on: [server]}
  server: {image: busybox, command: sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'}
"""
    )
    done = compose.try_("up", "--exit-code-from", "test")
    assert done.returncode == 4, done.stderr
    assert "test-1" in done.stdout
    assert {c["State"] for c in compose.ps().values()} == {"exited"}


def test_a_dependency_that_fails_stops_what_needs_it_and_says_so(compose):
    compose.write(
        """
services:
  bad: {image: busybox, command: "false"}
  web: {image: busybox, command: sleep 100, depends_on: {bad: {condition: service_completed_successfully}}}
  other: {image: busybox, command: sleep 100, stop_signal: SIGKILL}
"""
    )
    done = compose.try_("up", "-d")
    assert done.returncode == 1
    assert (
        f"dependency failed to start: container {compose.name}-bad-1 didn't complete successfully: exit 1"
        in done.stderr
    )
    assert f"not started because of that: {compose.name}-web-1" in done.stderr
    states = {name: c["State"] for name, c in compose.ps().items()}
    assert states[f"{compose.name}-web-1"] == "created"
    assert states[f"{compose.name}-other-1"] == "running"


def test_orphans_are_told_of_and_removed_when_asked(compose):
    compose.write("services: {old: {image: busybox, command: sleep 100, stop_signal: SIGKILL}}")
    compose("up", "-d")
    compose.write("services: {new: {image: busybox, command: sleep 100, stop_signal: SIGKILL}}")
    assert "Found orphan containers" in compose.try_("up", "-d").stderr
    compose("up", "-d", "--remove-orphans")
    assert sorted(compose.ps()) == [f"{compose.name}-new-1"]


@pytest.mark.parametrize(
    ("text", "args", "code", "message"),
    [
        ("services: {web: {image: busybox, ports: 80}}", ("up", "-d"), 1, "compose.yaml:1: services.web.ports must be a list"),
        ("services: {web: {image: busybox}}", ("up", "-d", "nope"), 1, "no such service: nope"),
        ("services: {web: {image: busybox}}", ("exec", "nope", "ls"), 1, "no such service: nope"),
        ("services: {web: {image: busybox, pull_policy: never}, x: {image: no-such-image, pull_policy: never}}", ("up", "-d"), 1, "image no-such-image of service x is missing"),
        ("services: {web: {build: ./none}}", ("up", "-d"), 17, "unable to prepare context: path"),
    ],
)  # fmt: skip
def test_bad_input_leaves_nothing_behind(compose, text, args, code, message):
    compose.write(text)
    done = compose.try_(*args)
    assert message in done.stderr
    assert done.returncode == code
    assert compose.gone()


def test_a_missing_command_is_the_engines_error(compose):
    compose.write("services: {web: {image: busybox, command: [no-such-command]}}")
    done = compose.try_("up", "-d")
    assert done.returncode == 1
    assert "executable file not found" in done.stderr
    compose("down")
    assert compose.gone()


def test_no_engine_there_is_said_plainly(compose):
    compose.write("services: {web: {image: busybox}}")
    compose.env["DOCKER_HOST"] = f"unix://{compose.directory}/none.sock"
    done = compose.try_("up", "-d")
    assert done.returncode == 1
    assert "Cannot connect to the Docker daemon" in done.stderr
