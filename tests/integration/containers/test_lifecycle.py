"""From create to rm: states, conflicts, events, restart policies, health, list and inspect."""

from __future__ import annotations

import http.client
import json
import socket
import time

import pytest

from tests.harness.engines import Docker, TestEngine
from tests.integration.containers.terminal import until
from tests.integration.containers.test_run import MEMORY_LIMIT

pytestmark = pytest.mark.root


class Api(http.client.HTTPConnection):
    """Plain HTTP on the engine's socket: ``status, body = Api(engine)("POST", "/…", {…})``."""

    def __init__(self, engine: TestEngine) -> None:
        super().__init__("engine", timeout=30)
        self._path = engine.socket.removeprefix("unix://")

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self._path)

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, object]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        self.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = self.getresponse()
        data = response.read()
        self.close()
        return response.status, json.loads(data) if data else None


@pytest.fixture
def api(shared_engine: TestEngine) -> Api:
    return Api(shared_engine)


def state(docker: Docker, name: str) -> str:
    return str(docker.inspect(name)["State"]["Status"])


def sleeper(docker: Docker, name: str = "c1", *options: str) -> str:
    return docker("run", "-d", "--name", name, *options, "busybox", "sleep", "1000")


def test_the_states_of_a_life(docker: Docker, api: Api) -> None:
    docker("create", "--name", "c1", "busybox", "sleep", "1000")
    assert state(docker, "c1") == "created"
    docker("start", "c1")
    assert state(docker, "c1") == "running"
    docker("pause", "c1")
    assert state(docker, "c1") == "paused"
    assert "(Paused)" in docker("ps", "--format", "{{.Status}}")
    docker("unpause", "c1")
    docker("stop", "-t", "0", "c1")
    assert state(docker, "c1") == "exited"
    assert docker.inspect("c1")["State"]["ExitCode"] == 137
    docker("start", "c1")
    assert docker.inspect("c1")["State"]["ExitCode"] == 0
    docker("rm", "-f", "c1")
    assert api("GET", "/containers/c1/json") == (404, {"message": "No such container: c1"})


def test_answers_where_there_is_nothing_to_do_or_the_state_forbids_it(docker: Docker, api: Api) -> None:
    container = sleeper(docker)
    assert api("POST", "/containers/c1/start")[0] == 304
    assert api("DELETE", "/containers/c1") == (
        409,
        {
            "message": 'cannot remove container "/c1": container is running: '
            "stop the container before removing or force remove"
        },
    )
    docker("pause", "c1")
    assert api("POST", "/containers/c1/pause")[0] == 409
    assert api("POST", "/containers/c1/start") == (
        409,
        {"message": "cannot start a paused container, try unpause instead"},
    )
    assert api("POST", "/containers/c1/exec", {"Cmd": ["true"]})[0] == 409
    assert api("POST", "/containers/c1/stop?t=0")[0] == 204
    assert api("POST", "/containers/c1/stop")[0] == 304
    assert api("POST", "/containers/c1/kill") == (
        409,
        {"message": f"cannot kill container: c1: container {container} is not running"},
    )
    for path in ("pause", "exec", "resize?h=1&w=1"):
        body = {"Cmd": ["true"]} if path == "exec" else None
        assert api("POST", f"/containers/c1/{path}", body) == (
            409,
            {"message": f"container {container} is not running"},
        )
    assert api("GET", "/containers/c1/top")[0] == 409
    assert api("POST", "/containers/c1/kill?signal=FOO") == (400, {"message": "Invalid signal: FOO"})
    assert api("POST", "/containers/c1/wait?condition=foo")[0] == 400


def test_stop_sends_the_stop_signal_and_waits(docker: Docker) -> None:
    script = "trap 'echo bye; exit 5' QUIT; while true; do sleep 0.05; done"
    docker("run", "-d", "--name", "c1", "--stop-signal", "QUIT", "busybox", "sh", "-c", script)
    time.sleep(0.3)
    docker("stop", "c1")
    assert docker.inspect("c1")["State"]["ExitCode"] == 5
    assert docker("logs", "c1") == "bye"


def test_wait_conditions(docker: Docker, shared_engine: TestEngine) -> None:
    docker("run", "-d", "--name", "c1", "busybox", "sh", "-c", "sleep 0.5; exit 9")
    assert docker("wait", "c1") == "9"
    assert docker("wait", "c1") == "9"
    assert Api(shared_engine)("POST", "/containers/c1/wait") == (200, {"StatusCode": 9})
    waiting = Api(shared_engine)
    waiting.request("POST", "/containers/c1/wait?condition=removed")
    response = waiting.getresponse()  # the headers come at once
    docker("rm", "c1")
    assert json.loads(response.read()) == {"StatusCode": 9}
    waiting.close()


def test_kill_with_a_signal_that_is_not_deadly(docker: Docker) -> None:
    docker("run", "-d", "--name", "c1", "busybox", "sh", "-c",
           "trap 'echo usr1' USR1; while true; do sleep 0.05; done")  # fmt: skip
    time.sleep(0.3)
    docker("kill", "-s", "USR1", "c1")
    until(lambda: docker("logs", "c1") == "usr1")
    assert state(docker, "c1") == "running"


def test_rename_and_prefixes(docker: Docker) -> None:
    container = sleeper(docker, "old")
    docker("rename", "old", "new")
    assert docker("inspect", "-f", "{{.Name}}", container[:7]) == "/new"
    done = docker.try_("rename", "new", "new")
    assert "same name as its current name" in done.stderr


def test_update_changes_limits_of_a_running_container(docker: Docker) -> None:
    sleeper(docker, "c1", "-m", "64m")
    docker("update", "--memory", "48m", "--memory-swap", "48m", "--restart", "on-failure:3", "c1")
    limit = docker("exec", "c1", "sh", "-c", MEMORY_LIMIT)
    assert int(limit) == 48 << 20
    host = docker.inspect("c1")["HostConfig"]
    assert host["Memory"] == 48 << 20
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}


def test_on_failure_gives_up_after_its_retries(docker: Docker) -> None:
    docker("run", "-d", "--name", "c1", "--restart", "on-failure:2", "busybox", "sh", "-c", "exit 5")
    until(lambda: state(docker, "c1") == "exited")
    shown = docker.inspect("c1")
    assert (shown["RestartCount"], shown["State"]["ExitCode"]) == (2, 5)


def test_always_restarts_until_it_is_stopped(docker: Docker) -> None:
    docker("run", "-d", "--name", "c1", "--restart", "always", "busybox", "sh", "-c", "exit 0")
    until(lambda: docker.inspect("c1")["RestartCount"] >= 2)
    docker("stop", "c1")
    count = docker.inspect("c1")["RestartCount"]
    time.sleep(1)
    assert state(docker, "c1") == "exited"
    assert docker.inspect("c1")["RestartCount"] == count


def test_a_restart_keeps_a_container_with_rm(docker: Docker) -> None:
    sleeper(docker, "c1", "--rm")
    before = docker.inspect("c1")["State"]["StartedAt"]
    docker("restart", "-t", "0", "c1")
    assert docker.inspect("c1")["State"]["StartedAt"] > before
    docker("stop", "-t", "0", "c1")
    until(lambda: docker("ps", "-aq") == "")


def test_health_checks(docker: Docker) -> None:
    sleeper(docker, "c1", "--health-cmd", "cat /ok", "--health-interval", "100ms", "--health-retries", "2")
    assert docker.inspect("c1")["State"]["Health"]["Status"] == "starting"
    until(lambda: docker.inspect("c1")["State"]["Health"]["Status"] == "unhealthy")
    shown = docker.inspect("c1")["State"]["Health"]
    assert "No such file" in shown["Log"][-1]["Output"]
    assert shown["Log"][-1]["ExitCode"] == 1
    docker("exec", "c1", "touch", "/ok")
    until(lambda: docker.inspect("c1")["State"]["Health"]["Status"] == "healthy")
    assert docker("ps", "--filter", "health=healthy", "--format", "{{.Status}}").endswith("(healthy)")
    until(lambda: len(docker.inspect("c1")["State"]["Health"]["Log"]) == 5)


def test_a_health_check_that_hangs_is_ended(docker: Docker) -> None:
    often = ("--health-interval", "100ms", "--health-timeout", "200ms", "--health-retries", "1")
    sleeper(docker, "c1", "--health-cmd", "sleep 77", *often)
    until(lambda: docker.inspect("c1")["State"]["Health"]["Status"] == "unhealthy")
    log = docker.inspect("c1")["State"]["Health"]["Log"]
    assert log[0]["ExitCode"] == -1
    assert "exceeded timeout" in log[0]["Output"]
    docker("update", "--restart", "no", "c1")
    assert docker("top", "c1").count("sleep 77") <= 1


def test_events_are_dockers(docker: Docker) -> None:
    since = f"{time.time():.6f}"
    docker.try_("run", "--name", "c1", "-l", "a=b", "busybox", "sh", "-c", "exit 3")
    docker("rename", "c1", "d1")
    docker("rm", "d1")
    shown = docker("events", "--since", since, "--until", f"{time.time():.6f}", "--filter", "type=container",
                   "--format", "{{.Action}} {{json .Actor.Attributes}}")  # fmt: skip
    events = [line.partition(" ")[::2] for line in shown.splitlines()]
    assert [action for action, _ in events] == ["create", "attach", "start", "die", "rename", "destroy"]
    die = json.loads(events[3][1])
    assert die == {"a": "b", "image": "busybox", "name": "c1", "exitCode": "3", "execDuration": "0"}
    assert json.loads(events[4][1])["oldName"] == "/c1"


def test_the_list_and_its_filters(docker: Docker) -> None:
    sleeper(docker, "one", "-l", "tier=front", "-p", "8077:80")
    docker.try_("run", "--name", "two", "busybox", "false")
    assert docker("ps", "--format", "{{.Names}} {{.Ports}} {{.Image}} {{.Command}}").startswith(
        "one 0.0.0.0:8077->80/tcp"
    )
    for filters, names in (
        (["name=o"], ["two", "one"]),
        (["status=exited"], ["two"]),
        (["exited=1"], ["two"]),
        (["label=tier=front"], ["one"]),
        (["ancestor=busybox"], ["two", "one"]),
        (["since=one"], ["two"]),
        (["before=two"], ["one"]),
        (["network=bridge", "name=one"], ["one"]),
    ):
        options = [word for one in filters for word in ("--filter", one)]
        assert docker("ps", "-a", *options, "--format", "{{.Names}}").split() == names, filters
    assert docker("ps", "-a", "-n", "1", "--format", "{{.Names}}") == "two"
    assert "virtual" in docker("ps", "-as", "--format", "{{.Size}}")
    done = docker.try_("ps", "--filter", "foo=x")
    assert "invalid filter 'foo'" in done.stderr


def test_top_and_stats(docker: Docker) -> None:
    sleeper(docker)
    assert "sleep 1000" in docker("top", "c1")
    assert docker("top", "c1", "-o", "pid,cmd").splitlines()[0].split() == ["PID", "CMD"]
    shown = json.loads(docker("stats", "--no-stream", "--format", "{{json .}}", "c1"))
    assert shown["Name"] == "c1"
    assert shown["PIDs"] == "1"
    assert shown["MemUsage"] != "0B / 0B"


def test_prune(docker: Docker) -> None:
    sleeper(docker, "runs")
    docker("run", "--name", "ended", "busybox", "true")
    docker("create", "--name", "made", "-l", "keep=1", "busybox", "true")
    docker("container", "prune", "-f", "--filter", "label!=keep")
    assert sorted(docker("ps", "-a", "--format", "{{.Names}}").split()) == ["made", "runs"]


def test_bad_requests_name_the_field(api: Api) -> None:
    status, body = api("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"Memory": "1g"}})
    assert status == 400
    assert "$.HostConfig.Memory" in str(body)
    assert api("POST", "/containers/create", {"Image": "nosuch"}) == (
        404,
        {"message": "No such image: nosuch:latest"},
    )
