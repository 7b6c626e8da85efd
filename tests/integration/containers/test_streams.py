"""attach, exec and logs."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from tests.harness.engines import Docker, TestEngine
from tests.integration.containers.terminal import Terminal, until

pytestmark = pytest.mark.root


def test_exec_streams_and_exit_codes(docker: Docker) -> None:
    docker("run", "-d", "--name", "c1", "-e", "A=container", "-w", "/tmp", "busybox", "sleep", "1000")
    done = docker.try_("exec", "c1", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert docker("exec", "-i", "c1", "cat", input="hello") == "hello"
    assert docker("exec", "-i", "c1", "wc", "-c", input=b"y" * 500_000) == "500000"
    assert docker("exec", "-e", "B=exec", "c1", "sh", "-c", "echo $A $B; pwd") == "container exec\n/tmp"
    assert docker("exec", "-u", "web", "-w", "/", "c1", "sh", "-c", "id -un; id -Gn; pwd; echo $HOME") == (
        "web\nweb extra\n/\n/"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nosuch"], 127, "executable file not found in $PATH"),
        (["/etc/passwd"], 126, "permission denied"),
        (["-u", "ghost", "id"], 126, "unable to find user ghost"),
    ],
)
def test_what_can_not_be_executed(docker: Docker, arguments: list[str], code: int, words: str) -> None:
    docker("run", "-d", "--name", "c1", "busybox", "sleep", "1000")
    at = 2 if arguments[0] == "-u" else 0
    done = docker.try_("exec", *arguments[:at], "c1", *arguments[at:])
    assert done.returncode == code
    assert words in done.stdout + done.stderr


def test_a_detached_exec_and_what_inspect_says_of_it(docker: Docker, shared_engine: TestEngine) -> None:
    import docker as docker_py

    docker("run", "-d", "--name", "c1", "busybox", "sleep", "1000")
    docker("exec", "-d", "c1", "sh", "-c", "sleep 0.3; touch /tmp/done")
    until(lambda: "done" in docker("exec", "c1", "ls", "/tmp"))
    client = docker_py.APIClient(base_url=shared_engine.socket)
    try:
        exec_id = client.exec_create("c1", ["sh", "-c", "exit 6"])["Id"]
        assert client.exec_inspect(exec_id)["Running"] is False
        assert client.exec_inspect(exec_id)["ExitCode"] is None
        client.exec_start(exec_id)
        shown = client.exec_inspect(exec_id)
        assert (shown["Running"], shown["ExitCode"]) == (False, 6)
        assert shown["ProcessConfig"]["entrypoint"] == "sh"
        with pytest.raises(docker_py.errors.APIError, match="has already run"):
            client.exec_start(exec_id)
        with pytest.raises(docker_py.errors.NotFound, match="No such exec instance"):
            client.exec_inspect("0" * 64)
    finally:
        client.close()


def test_an_exec_ends_though_its_child_holds_the_output_open(docker: Docker) -> None:
    docker("run", "-d", "--name", "c1", "busybox", "sleep", "1000")
    assert docker("exec", "c1", "sh", "-c", "sleep 1000 & echo started", timeout=20) == "started"


def test_exec_with_a_terminal(docker: Docker) -> None:
    docker("run", "-d", "--name", "c1", "busybox", "sleep", "1000")
    with Terminal(docker, "exec", "-it", "c1", "sh", rows=21, columns=87) as terminal:
        terminal.type("stty size; tty\n")
        terminal.expect("21 87")
        terminal.expect("/dev/pts/")
        terminal.type("exit 5\n")
        assert terminal.wait() == 5


def test_detach_and_attach_again(docker: Docker) -> None:
    with Terminal(docker, "run", "-it", "--name", "c1", "busybox", "sh") as terminal:
        terminal.type("echo fir''st\n")
        terminal.expect("first")
        terminal.type(b"\x10\x11")
        assert terminal.wait() == 0
    assert docker.inspect("c1")["State"]["Running"] is True
    with Terminal(docker, "attach", "--detach-keys", "ctrl-x", "c1") as terminal:
        terminal.type("echo sec''ond\n")
        terminal.expect("second")
        terminal.type(b"\x18")
        terminal.wait()
    with Terminal(docker, "attach", "c1") as terminal:
        terminal.type("exit 4\n")
        assert terminal.wait() == 4
    assert docker.inspect("c1")["State"]["ExitCode"] == 4


def test_several_attachments_see_the_same(docker: Docker) -> None:
    docker("run", "-d", "-i", "--name", "c1", "busybox", "cat")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with docker.popen("attach", "c1", **pipes) as first, docker.popen("attach", "c1", **pipes) as second:
        assert first.stdin is not None
        assert second.stdout is not None
        time.sleep(0.5)
        first.stdin.write(b"shared\n")
        first.stdin.flush()
        assert second.stdout.readline() == b"shared\n"
        docker("rm", "-f", "c1")
        assert first.communicate(timeout=20)[0] == b"shared\n"


def test_output_from_the_first_moment_is_attached(docker: Docker) -> None:
    docker("create", "--name", "c1", "busybox", "sh", "-c", "echo at once; exit 2")
    for _ in range(5):
        done = docker.try_("start", "-a", "c1")
        assert (done.returncode, done.stdout) == (2, "at once\n")


def test_an_attach_that_waits_ends_when_its_container_is_removed(
    docker: Docker, shared_engine: TestEngine
) -> None:
    import http.client
    import socket

    docker("create", "--name", "c1", "busybox", "true")
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(20)
        raw.connect(shared_engine.socket.removeprefix("unix://"))
        raw.sendall(
            b"POST /v1.50/containers/c1/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: x\r\n"
            b"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
        )
        response = http.client.HTTPResponse(raw, method="POST")
        assert raw.recv(4096).startswith(b"HTTP/1.1 101 UPGRADED")
        docker("rm", "c1")
        assert raw.recv(4096) == b""
        response.close()


def test_logs(docker: Docker) -> None:
    docker.try_("run", "--name", "c1", "busybox", "sh", "-c",
                "for i in 1 2 3 4 5; do echo line $i; sleep 0.05; done; echo problem >&2")  # fmt: skip
    assert docker("logs", "c1") == "\n".join(f"line {i}" for i in range(1, 6))
    assert docker.try_("logs", "c1").stderr == "problem\n"
    assert docker("logs", "--tail", "3", "c1") == "line 4\nline 5"
    stamped = docker("logs", "-t", "--tail", "2", "c1")
    when, _, text = stamped.partition(" ")
    assert (text, len(when)) == ("line 5", 30)
    assert docker("logs", "--since", when, "c1") == "line 5"
    assert docker("logs", "--until", "1h", "c1") == ""


def test_following_logs_ends_with_the_container(docker: Docker) -> None:
    docker("run", "-d", "--name", "c1", "busybox", "sh", "-c",
           "echo one; sleep 0.5; echo two; sleep 0.5; echo three")  # fmt: skip
    assert docker("logs", "-f", "c1", timeout=20) == "one\ntwo\nthree"
    assert docker("logs", "-f", "--tail", "1", "c1", timeout=20) == "three"


def test_a_large_burst_is_neither_lost_nor_garbled(docker: Docker) -> None:
    script = "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done"
    expected = "\n".join(str(i) for i in range(20000))
    assert docker("run", "--name", "c1", "busybox", "sh", "-c", script) == expected
    assert docker("logs", "c1") == expected


def test_logs_of_a_terminal_are_not_framed(docker: Docker) -> None:
    docker("run", "-d", "-t", "--name", "c1", "busybox", "sh", "-c", "echo hello; sleep 100")
    until(lambda: docker("logs", "c1") != "")
    assert docker("logs", "c1") == "hello\r"


def test_a_container_without_a_log_can_not_show_one(docker: Docker) -> None:
    docker("run", "--name", "c1", "--log-driver", "none", "busybox", "echo", "x")
    done = docker.try_("logs", "c1")
    assert "configured logging driver does not support reading" in done.stderr


def test_rotated_logs(docker: Docker) -> None:
    docker(
        "run",
        "--name",
        "c1",
        "--log-opt",
        "max-size=10k",
        "--log-opt",
        "max-file=2",
        "busybox",
        "seq",
        "1000",
    )
    shown = docker("logs", "c1").split()
    assert shown == [str(number) for number in range(1001 - len(shown), 1001)]
    assert 100 < len(shown) < 1000


def test_docker_py_reads_framed_output(docker: Docker, shared_engine: TestEngine) -> None:
    import docker as docker_py

    client = docker_py.DockerClient(base_url=shared_engine.socket)
    try:
        assert client.containers.run("busybox", "echo hi", remove=True) == b"hi\n"
        container = client.containers.run("busybox", ["sleep", "100"], detach=True, name="py")
        code, (out, err) = container.exec_run(["sh", "-c", "echo o; echo e >&2; exit 4"], demux=True)
        assert (code, out, err) == (4, b"o\n", b"e\n")
        stats = container.stats(stream=False)
        assert stats["memory_stats"]["usage"] > 0
        assert stats["networks"]["eth0"]["rx_bytes"] >= 0
        assert json.dumps(container.attrs)
        container.remove(force=True)
    finally:
        client.close()
