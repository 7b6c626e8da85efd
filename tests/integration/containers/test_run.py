"""docker run: exit codes, streams, users, environment, mounts, limits; and what can't be run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.harness.engines import Docker, TestEngine
from tests.integration.containers.terminal import Terminal

pytestmark = pytest.mark.root

MEMORY_LIMIT = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes 2>/dev/null || cat memory.max"


def test_output_goes_to_its_own_stream(docker: Docker) -> None:
    done = docker.try_("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "err\n")


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["sh", "-c", "exit 7"], 7, ""),
        (["nosuch"], 127, 'exec: "nosuch": executable file not found in $PATH'),
        (["/nosuch"], 127, "no such file or directory"),
        (["/etc/passwd"], 126, "permission denied"),
        (["/etc"], 126, "is a directory"),
    ],
)
def test_exit_codes(docker: Docker, command: list[str], code: int, words: str) -> None:
    done = docker.try_("run", "--rm", "busybox", *command)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert docker("ps", "-aq") == ""


def test_a_container_that_can_not_start_keeps_its_error(docker: Docker) -> None:
    docker.try_("run", "--name", "broken", "busybox", "nosuch")
    state = docker.inspect("broken")["State"]
    assert (state["Status"], state["ExitCode"]) == ("created", 127)
    assert "executable file not found" in state["Error"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuchimage"], ""),
        (["-u", "ghost", "busybox", "id"], "unable to find user ghost: no matching entries in passwd file"),
        (["-w", "rel", "busybox", "true"], "the working directory 'rel' is invalid"),
        (["-m", "1m", "busybox", "true"], "Minimum memory limit allowed is 6MB"),
        (["--network", "nosuchnet", "busybox", "true"], "network nosuchnet not found"),
        (["--network", "container:ghost", "busybox", "true"], "No such container: ghost"),
        (["--mount", "type=bind,src=/no/such,dst=/x", "busybox", "true"], "bind source path does not exist"),
        (["-v", "/etc/passwd/x:/y", "busybox", "true"], "creating mount source path '/etc/passwd/x': mkdir"),
        (["--link", "ghost", "busybox", "true"], "could not get container for ghost: No such container"),
        (["--log-driver", "nope", "busybox", "true"], "no log driver named 'nope'"),
        (["--stop-signal", "FOO", "busybox", "true"], "Invalid signal: FOO"),
        (["--name", "a b", "busybox", "true"], "Invalid container name (a b)"),
    ],
)
def test_what_can_not_be_run_exits_125_and_leaves_nothing(
    docker: Docker, shared_engine: TestEngine, arguments: list[str], words: str
) -> None:
    before = sorted(path.name for path in (shared_engine.directory / "data" / "containers").iterdir())
    done = docker.try_("run", "--rm", *arguments)
    assert done.returncode == 125
    assert words in done.stderr
    assert docker("ps", "-aq") == ""
    assert docker("volume", "ls", "-q") == ""
    assert sorted(p.name for p in (shared_engine.directory / "data" / "containers").iterdir()) == before


def test_a_taken_name(docker: Docker) -> None:
    first = docker("create", "--name", "taken", "busybox", "true")
    done = docker.try_("run", "--name", "taken", "busybox", "true")
    assert done.returncode == 125
    assert f'The container name "/taken" is already in use by container "{first}"' in done.stderr


def test_a_taken_port(docker: Docker) -> None:
    docker("run", "-d", "--name", "first", "-p", "8099:80", "busybox", "sleep", "100")
    done = docker.try_("run", "--rm", "-p", "8099:80", "busybox", "true")
    assert done.returncode == 125
    assert "Bind for 0.0.0.0:8099 failed: port is already allocated" in done.stderr
    docker("rm", "-f", "first")
    docker("run", "--rm", "-p", "8099:80", "busybox", "true")


def test_standard_input(docker: Docker) -> None:
    assert docker("run", "--rm", "-i", "busybox", "cat", input="hello") == "hello"
    assert docker("run", "--rm", "-i", "busybox", "wc", "-c", input=b"x" * 300_000) == "300000"
    assert docker("run", "--rm", "busybox", "cat", input="not connected") == ""


def test_who_and_where(docker: Docker) -> None:
    assert docker("run", "--rm", "-u", "web", "busybox", "id") == (
        "uid=1000(web) gid=1000(web) groups=1000(web),2000(extra)"
    )
    script = "pwd; hostname; echo $A-$HOME-$TERM; id -u"
    shown = docker("run", "--rm", "-w", "/new/dir", "-h", "box", "-e", "A=b", "busybox", "sh", "-c", script)
    assert shown.splitlines() == ["/new/dir", "box", "b-/root-", "0"]


def test_entrypoint(docker: Docker) -> None:
    assert docker("run", "--rm", "--entrypoint", "echo", "busybox", "a", "b") == "a b"


def test_hosts_file_and_resolver(docker: Docker) -> None:
    shown = docker("run", "--rm", "--add-host", "db:10.1.2.3", "--dns", "10.9.9.9", "busybox", "sh", "-c",
                   "cat /etc/hosts /etc/resolv.conf; cat /etc/hostname")  # fmt: skip
    assert "10.1.2.3\tdb" in shown
    assert "nameserver 10.9.9.9" in shown
    assert "127.0.0.1\tlocalhost" in shown


def test_volumes_binds_and_tmpfs(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from the host\n")
    shown = docker(
        "run", "--rm", "-v", f"{tmp_path}:/host", "-v", f"{tmp_path}/in:/file:ro", "-v", "named:/vol",
        "--tmpfs", "/t:size=1m", "busybox", "sh", "-c",
        "cat /host/in; echo back > /host/out; echo x > /file || echo refused; echo v > /vol/f;"
        "df /t | tail -1",
    ).splitlines()  # fmt: skip
    assert shown[0] == "from the host"
    assert "refused" in shown
    assert shown[-1].split()[0] == "tmpfs"
    assert (tmp_path / "out").read_text() == "back\n"
    assert docker("run", "--rm", "-v", "named:/again", "busybox", "cat", "/again/f") == "v"
    docker("volume", "rm", "named")


def test_a_missing_bind_source_is_made_and_an_empty_volume_takes_the_images_content(
    docker: Docker, tmp_path: Path
) -> None:
    docker("run", "--rm", "-v", f"{tmp_path}/made/here:/x", "busybox", "true")
    assert (tmp_path / "made" / "here").is_dir()
    assert "passwd" in docker("run", "--rm", "-v", "copied:/etc", "busybox", "ls", "/etc")
    assert docker("run", "--rm", "-v", "copied:/x", "busybox", "grep", "-c", "web", "/x/passwd") == "1"
    docker("volume", "rm", "copied")


def test_anonymous_volumes_go_with_rm_but_not_without_v(docker: Docker) -> None:
    docker("run", "--rm", "-v", "/data", "busybox", "true")
    assert docker("volume", "ls", "-q") == ""
    docker("create", "--name", "keeps", "-v", "/data", "busybox", "true")
    docker("rm", "keeps")
    (name,) = docker("volume", "ls", "-q").split()
    docker("volume", "rm", name)


def test_limits_reach_the_kernel(docker: Docker) -> None:
    script = f"{MEMORY_LIMIT}; ulimit -n"
    shown = docker("run", "--rm", "-m", "32m", "--ulimit", "nofile=77:77", "busybox", "sh", "-c", script)
    assert shown.split() == [str(32 << 20), "77"]


def test_an_out_of_memory_kill_is_seen(docker: Docker) -> None:
    done = docker.try_("run", "--name", "oom", "-m", "16m", "busybox", "sh", "-c",
                       "x=a; while true; do x=$x$x; done")  # fmt: skip
    assert done.returncode == 137
    assert docker.inspect("oom")["State"]["OOMKilled"] is True


def test_read_only_root(docker: Docker) -> None:
    done = docker.try_("run", "--rm", "--read-only", "busybox", "touch", "/x")
    assert (done.returncode, "Read-only file system" in done.stderr) == (1, True)


def test_namespaces_shared_with_another_container(docker: Docker) -> None:
    docker(
        "run", "-d", "--name", "owner", "--ipc", "shareable", "--network", "none", "busybox", "sleep", "100"
    )
    docker("exec", "owner", "sh", "-c", "echo shared > /dev/shm/f")
    joined = ("--ipc", "container:owner", "--pid", "container:owner", "--network", "container:owner")
    shown = docker("run", "--rm", *joined, "busybox", "sh", "-c", "cat /dev/shm/f; ps; hostname").splitlines()
    assert shown[0] == "shared"
    assert any("sleep 100" in line for line in shown)
    assert shown[-1] == docker("exec", "owner", "hostname")


def test_a_terminal_has_the_clients_size_and_follows_it(docker: Docker) -> None:
    with Terminal(docker, "run", "-it", "--rm", "busybox", "sh", rows=33, columns=99) as terminal:
        terminal.type("stty size; echo $TERM; tty\n")
        assert "33 99" in terminal.expect("/dev/pts/0")
        terminal.resize(44, 111)
        terminal.process.send_signal(28)
        terminal.type("sleep 0.3; stty size\n")
        terminal.expect("44 111")
        terminal.type("exit 3\n")
        assert terminal.wait() == 3


def test_a_published_port_answers(docker: Docker, shared_engine: TestEngine) -> None:
    docker(
        "run", "-d", "--name", "httpd", "-p", "8090:80", "busybox", "httpd", "-f", "-p", "80", "-h", "/etc"
    )
    assert docker("port", "httpd").splitlines()[0] == "80/tcp -> 0.0.0.0:8090"
    shown = shared_engine.host.run("wget", "-qO-", "-T", "10", "http://127.0.0.1:8090/passwd")
    assert shown.startswith("root:")


def test_a_detached_container_removes_itself(docker: Docker) -> None:
    container = docker("run", "-d", "--rm", "busybox", "sleep", "0.2")
    docker.try_("wait", container)
    done = docker.try_("inspect", container)
    assert json.loads(done.stdout) == []
