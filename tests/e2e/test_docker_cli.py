"""The real docker CLI: containers from run to rm."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.harness.engines import Docker

pytestmark = pytest.mark.root


def eventually(check: object, *, timeout: float = 10.0) -> None:
    """Wait until `check()` is true."""
    assert callable(check)
    deadline = time.monotonic() + timeout
    while not check():
        assert time.monotonic() < deadline, "did not become true"
        time.sleep(0.05)


# --- run -----------------------------------------------------------------------------------------


def test_run_prints_the_output_and_leaves_nothing_with_rm(cli: Docker) -> None:
    before = cli("ps", "-aq")
    assert cli("run", "--rm", "busybox", "echo", "hello", "world") == "hello world"
    assert cli("ps", "-aq") == before


def test_standard_output_and_error_stay_apart(cli: Docker) -> None:
    done = cli.try_("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


@pytest.mark.parametrize("code", [0, 1, 3, 42, 255])
def test_the_exit_code_is_the_containers(cli: Docker, code: int) -> None:
    assert cli.try_("run", "--rm", "busybox", "sh", "-c", f"exit {code}").returncode == code


def test_a_missing_command_exits_127_and_leaves_a_created_container(cli: Docker, name: str) -> None:
    done = cli.try_("run", "--name", name, "busybox", "nosuch")
    assert done.returncode == 127
    assert "executable file not found in $PATH" in done.stderr
    assert cli("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name) == "created 127"


def test_a_command_that_can_not_be_run_exits_126(cli: Docker) -> None:
    done = cli.try_("run", "--rm", "busybox", "/etc/passwd")
    assert done.returncode == 126
    assert "permission denied" in done.stderr


def test_wrong_options_exit_125(cli: Docker) -> None:
    assert cli.try_("run", "--nosuch", "busybox").returncode == 125
    assert cli.try_("run", "--rm", "--network", "nosuch", "busybox", "true").returncode == 125


def test_an_unknown_image_exits_125_and_says_so(cli: Docker, name: str) -> None:
    done = cli.try_("run", "--name", name, "localhost:1/nosuch", "true")
    assert done.returncode == 125
    assert "Unable to find image 'localhost:1/nosuch:latest' locally" in done.stderr
    assert cli.try_("inspect", name).returncode == 1


def test_a_taken_name_exits_125_and_says_by_whom(cli: Docker, name: str) -> None:
    first = cli("create", "--name", name, "busybox", "true")
    done = cli.try_("run", "--name", name, "busybox", "true")
    assert done.returncode == 125
    assert f'The container name "/{name}" is already in use by container "{first}"' in done.stderr


def test_environment_directory_user_hostname_and_entrypoint_are_set(cli: Docker) -> None:
    script = "echo $COLOUR; pwd; id -un; hostname"
    out = cli("run", "--rm", "-e", "COLOUR=blue", "-w", "/tmp/new", "-u", "web", "-h", "box",
              "--entrypoint", "sh", "busybox", "-c", script)  # fmt: skip
    assert out.split() == ["blue", "/tmp/new", "web", "box"]


def test_a_user_by_number_and_group(cli: Docker) -> None:
    assert cli("run", "--rm", "-u", "1234:2000", "busybox", "sh", "-c", "id -u; id -g") == "1234\n2000"
    assert "1000" in cli("run", "--rm", "-u", "web", "busybox", "id", "-G").split()
    done = cli.try_("run", "--rm", "-u", "nosuch", "busybox", "true")
    assert done.returncode in {125, 126}
    assert "nosuch" in done.stderr


def test_standard_input_reaches_the_container_and_ends(cli: Docker) -> None:
    assert cli("run", "--rm", "-i", "busybox", "cat", input="one\ntwo\n") == "one\ntwo"
    assert cli("run", "--rm", "-i", "busybox", "wc", "-c", input=b"x" * 300_000).split() == ["300000"]


def test_a_large_output_arrives_whole(cli: Docker) -> None:
    out = cli("run", "--rm", "busybox", "sh", "-c", "yes 0123456789abcdef | head -n 100000")
    assert len(out) == 100_000 * 17 - 1


def test_a_terminal_is_one(cli: Docker) -> None:
    command = subprocess.list2cmdline(
        cli.command("run", "--rm", "-it", "busybox", "sh", "-c", "sleep 0.5; tty; stty size")
    )
    done = subprocess.run(
        ["script", "-qec", f"stty rows 33 cols 99; exec {command}", "/dev/null"],
        capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"},
    )  # fmt: skip
    assert "/dev/pts/0" in done.stdout
    assert "33 99" in done.stdout


def test_detached_containers_run_on_and_are_listed(cli: Docker, name: str) -> None:
    id_ = cli("run", "-d", "--name", name, "busybox", "sleep", "60")
    assert re.fullmatch(r"[0-9a-f]{64}", id_)
    row = cli("ps", "--filter", f"name={name}", "--format", "{{.ID}}|{{.Image}}|{{.Command}}|{{.Names}}")
    assert row == f'{id_[:12]}|busybox|"sleep 60"|{name}'
    assert cli("ps", "-q", "--filter", "status=exited", "--filter", f"name={name}") == ""


def test_with_rm_a_detached_container_goes_when_it_ends(cli: Docker, name: str) -> None:
    cli("run", "-d", "--rm", "--name", name, "busybox", "sleep", "0.3")
    eventually(lambda: cli.try_("inspect", name).returncode == 1)


# --- isolation -----------------------------------------------------------------------------------


def test_the_container_sees_itself_alone(cli: Docker) -> None:
    out = cli(
        "run", "--rm", "busybox", "sh", "-c", "echo $$; ls /proc | grep -c '^[0-9]*$'; ls -A /sys/class/net"
    )
    pid, _, *links = out.split()
    assert pid == "1"
    assert sorted(links) == ["eth0", "lo"]


def test_capabilities_seccomp_and_privileges_are_dockers_defaults(cli: Docker) -> None:
    status = cli("run", "--rm", "busybox", "cat", "/proc/self/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["CapBnd"] == facts["CapEff"] == "00000000a80425fb"
    assert facts["CapInh"] in {"0000000000000000", "00000000a80425fb"}
    assert facts["Seccomp"].strip() == "2"


def test_a_user_other_than_root_has_no_capabilities(cli: Docker) -> None:
    assert "CapEff:\t0000000000000000" in cli(
        "run", "--rm", "-u", "web", "busybox", "cat", "/proc/self/status"
    )


def test_forbidden_calls_fail(cli: Docker) -> None:
    for command in (
        "mount -t tmpfs x /tmp",
        "echo 1 > /proc/sys/kernel/panic",
        "unshare -m true",
        "hostname x",
    ):
        assert cli.try_("run", "--rm", "busybox", "sh", "-c", command).returncode != 0, command


def test_masked_and_read_only_paths(cli: Docker) -> None:
    script = "for f in kcore keys timer_list; do [ -e /proc/$f ] && wc -c < /proc/$f; done | sort -u"
    assert cli("run", "--rm", "busybox", "sh", "-c", script) == "0"
    assert cli.try_("run", "--rm", "busybox", "touch", "/sys/x").returncode == 1
    assert cli.try_("run", "--rm", "--read-only", "busybox", "touch", "/x").returncode == 1


def test_device_nodes_are_dockers(cli: Docker) -> None:
    devices = cli("run", "--rm", "busybox", "ls", "/dev").split()
    assert {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "mqueue", "fd", "stdin",
            "stdout", "stderr"} <= set(devices)  # fmt: skip
    assert not {"sda", "vda", "mem", "kmsg"} & set(devices)


def test_no_file_descriptor_of_ours_leaks(cli: Docker) -> None:
    assert cli("run", "--rm", "busybox", "sh", "-c", "ls /proc/1/fd; true").split() == ["0", "1", "2"]


def test_a_memory_limit_reaches_the_cgroup(cli: Docker) -> None:
    v1, v2 = "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"
    limit = cli("run", "--rm", "-m", "32m", "busybox", "sh", "-c", f"cat {v1} 2>/dev/null || cat {v2}")
    assert limit == str(32 << 20)


def test_an_oom_kill_is_recorded(cli: Docker, name: str) -> None:
    done = cli.try_("run", "--name", name, "-m", "16m", "--memory-swap", "16m", "busybox", "sh", "-c",
                    "exec tail /dev/zero")  # fmt: skip
    assert done.returncode == 137
    assert cli("inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", name) == "true 137"


def test_a_limit_of_processes_holds(cli: Docker) -> None:
    done = cli.try_("run", "--rm", "--pids-limit", "5", "busybox", "sh", "-c",
                    "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait")  # fmt: skip
    assert "can't fork" in done.stderr


def test_cpu_limits_reach_the_cgroup(cli: Docker) -> None:
    out = cli("run", "--rm", "--cpus", "0.5", "-c", "512", "busybox", "sh", "-c",
              "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.shares 2>/dev/null "
              "|| cat /sys/fs/cgroup/cpu.max")  # fmt: skip
    assert out.split()[0] == "50000"


# --- life ----------------------------------------------------------------------------------------


def test_create_start_wait_and_restart(cli: Docker, name: str) -> None:
    cli("create", "--name", name, "busybox", "sh", "-c", "exit 5")
    assert cli("inspect", "-f", "{{.State.Status}}", name) == "created"
    assert cli("start", name) == name
    assert cli("wait", name) == "5"
    assert cli.try_("start", "-a", name).returncode == 5
    assert cli("ps", "-a", "--filter", f"name={name}", "--format", "{{.Status}}").startswith("Exited (5)")


def test_stop_ends_with_the_stop_signal_and_kills_after_the_time(cli: Docker, name: str) -> None:
    cli(
        "run", "-d", "--name", name, "busybox", "sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.05; done"
    )
    time.sleep(0.3)
    assert cli("stop", name) == name
    assert cli("inspect", "-f", "{{.State.ExitCode}}", name) == "9"
    cli("start", name)
    cli("rm", "-f", name)
    cli("run", "-d", "--name", name, "busybox", "sleep", "60")
    begun = time.monotonic()
    cli("stop", "-t", "1", name)  # sleep as process 1 ignores TERM
    assert time.monotonic() - begun >= 0.9
    assert cli("inspect", "-f", "{{.State.ExitCode}}", name) == "137"


def test_kill_sends_the_signal_named(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "busybox", "sh", "-c",
        "trap 'echo usr1' USR1; trap 'exit 0' TERM; while :; do sleep 0.05; done")  # fmt: skip
    time.sleep(0.3)
    cli("kill", "-s", "USR1", name)
    eventually(lambda: "usr1" in cli("logs", name))
    cli("kill", "-s", "TERM", name)
    assert cli("wait", name) == "0"
    done = cli.try_("kill", name)
    assert done.returncode == 1
    assert "is not running" in done.stderr


def test_a_running_container_is_removed_by_force_only(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "busybox", "sleep", "60")
    done = cli.try_("rm", name)
    assert done.returncode == 1
    assert "running" in done.stderr
    assert cli("rm", "-f", name) == name
    assert cli.try_("inspect", name).returncode == 1
    assert "No such container" in cli.try_("rm", name).stderr


def test_pause_and_unpause(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "busybox", "sleep", "60")
    cli("pause", name)
    assert cli("inspect", "-f", "{{.State.Status}}", name) == "paused"
    assert "(Paused)" in cli("ps", "--filter", f"name={name}", "--format", "{{.Status}}")
    cli("unpause", name)
    assert cli("inspect", "-f", "{{.State.Status}}", name) == "running"


def test_rename(cli: Docker, name: str) -> None:
    cli("create", "--name", f"{name}-old", "busybox", "true")
    cli("rename", f"{name}-old", name)
    assert cli("inspect", "-f", "{{.Name}}", name) == f"/{name}"


def test_an_on_failure_policy_restarts_and_gives_up(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "--restart", "on-failure:2", "busybox", "sh", "-c", "echo try; exit 1")
    eventually(lambda: cli("inspect", "-f", "{{.RestartCount}} {{.State.Status}}", name) == "2 exited")
    assert cli("logs", name).split() == ["try"] * 3


def test_a_health_check_turns_healthy_and_unhealthy(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "--health-cmd", "test -e /tmp/ok", "--health-interval", "0.2s",
        "--health-retries", "2", "busybox", "sleep", "60")  # fmt: skip
    eventually(lambda: cli("inspect", "-f", "{{.State.Health.Status}}", name) == "unhealthy")
    cli("exec", name, "touch", "/tmp/ok")
    eventually(lambda: cli("inspect", "-f", "{{.State.Health.Status}}", name) == "healthy")
    assert "(healthy)" in cli("ps", "--filter", f"name={name}", "--format", "{{.Status}}")


# --- streams -------------------------------------------------------------------------------------


def test_logs_with_tail_and_timestamps(cli: Docker, name: str) -> None:
    cli(
        "run",
        "--name",
        name,
        "busybox",
        "sh",
        "-c",
        "for i in 1 2 3 4 5; do echo line $i; done; echo err >&2",
    )
    assert cli("logs", name).splitlines() == [f"line {i}" for i in range(1, 6)]
    assert cli.try_("logs", name).stderr == "err\n"
    assert (
        len(cli("logs", "--tail", "2", name).splitlines())
        + len(cli.try_("logs", "--tail", "2", name).stderr.splitlines())
        == 2
    )
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z line 1", cli("logs", "-t", name))


def test_following_logs_ends_with_the_container(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "busybox", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done")
    assert cli("logs", "-f", name).split() == ["1", "2", "3"]


def test_attach_carries_input_and_output(cli: Docker, name: str) -> None:
    cli("run", "-d", "-i", "--name", name, "busybox", "sh", "-c", "while read x; do echo got $x; done")
    with cli.popen("attach", name, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as attached:
        assert attached.stdin is not None
        assert attached.stdout is not None
        attached.stdin.write(b"a\nb\n")
        attached.stdin.flush()
        assert [attached.stdout.readline() for _ in range(2)] == [b"got a\n", b"got b\n"]
        cli("kill", name)
        assert attached.wait(timeout=20) == 137


def test_exec_output_input_exit_code_and_settings(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "busybox", "sleep", "60")
    assert (
        cli("exec", "-e", "A=1", "-w", "/tmp", "-u", "web", name, "sh", "-c", "echo $A; pwd; id -u")
        == "1\n/tmp\n1000"
    )
    assert cli("exec", "-i", name, "cat", input="typed") == "typed"
    assert cli.try_("exec", name, "sh", "-c", "exit 7").returncode == 7
    assert cli.try_("exec", name, "nosuch").returncode in {126, 127}
    cli("exec", "-d", name, "touch", "/tmp/detached")
    eventually(lambda: cli.try_("exec", name, "test", "-e", "/tmp/detached").returncode == 0)


def test_exec_in_a_terminal(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "busybox", "sleep", "60")
    command = subprocess.list2cmdline(cli.command("exec", "-it", name, "tty"))
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"], capture_output=True, text=True, timeout=30, check=False,
        stdin=subprocess.DEVNULL, env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"},
    )  # fmt: skip
    assert "/dev/pts/" in done.stdout


def test_exec_in_a_stopped_container_is_refused(cli: Docker, name: str) -> None:
    cli("create", "--name", name, "busybox", "true")
    done = cli.try_("exec", name, "true")
    assert done.returncode == 1
    assert "is not running" in done.stderr


# --- files ---------------------------------------------------------------------------------------


def test_copy_in_and_out(cli: Docker, name: str, tmp_path: Path) -> None:
    cli("create", "--name", name, "busybox", "true")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/file").write_text("content")
    (tmp_path / "in/link").symlink_to("file")
    cli("cp", f"{tmp_path}/in", f"{name}:/tmp/")
    cli("cp", f"{name}:/tmp/in", f"{tmp_path}/out")
    assert (tmp_path / "out/file").read_text() == "content"
    assert (tmp_path / "out/link").readlink() == Path("file")
    assert "Could not find the file" in cli.try_("cp", f"{name}:/nosuch", str(tmp_path)).stderr


def test_copy_from_a_running_container_to_standard_output(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "busybox", "sh", "-c", "echo hi > /tmp/f; sleep 60")
    eventually(lambda: cli.try_("exec", name, "test", "-s", "/tmp/f").returncode == 0)
    with cli.popen("cp", f"{name}:/tmp/f", "-", stdout=subprocess.PIPE) as copy:
        tar, _ = copy.communicate(timeout=20)
    assert b"hi\n" in tar


def test_diff_shows_what_changed(cli: Docker, name: str) -> None:
    cli("run", "--name", name, "busybox", "sh", "-c", "echo x > /new; rm /etc/group")
    assert {"A /new", "C /etc", "D /etc/group"} <= set(cli("diff", name).splitlines())
    assert "hosts" not in cli("diff", name)


def test_volumes_keep_their_content_and_take_the_images(cli: Docker, name: str) -> None:
    volume = f"v{name}"
    cli("volume", "create", volume)
    try:
        cli("run", "--rm", "-v", f"{volume}:/data", "busybox", "sh", "-c", "echo kept > /data/f")
        assert cli("run", "--rm", "-v", f"{volume}:/data:ro", "busybox", "cat", "/data/f") == "kept"
        assert (
            cli.try_("run", "--rm", "-v", f"{volume}:/data:ro", "busybox", "touch", "/data/x").returncode == 1
        )
        assert volume in cli("volume", "ls", "-q").split()
        cli("create", "--name", name, "-v", f"{volume}:/data", "busybox", "true")
        assert "volume is in use" in cli.try_("volume", "rm", volume).stderr
        cli("rm", name)
        assert cli("volume", "inspect", "-f", "{{.Driver}}", volume) == "local"
    finally:
        cli("volume", "rm", volume)
    copied = cli("run", "--rm", "-v", "/etc", "busybox", "cat", "/etc/group")
    assert "web:x:1000:" in copied


def test_a_directory_of_the_host_is_bound(cli: Docker, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("from the host")
    assert cli("run", "--rm", "-v", f"{tmp_path}:/h", "busybox", "cat", "/h/f") == "from the host"
    done = cli.try_("run", "--rm", "--mount", f"type=bind,src={tmp_path}/nosuch,dst=/h", "busybox", "true")
    assert done.returncode == 125
    assert "bind source path does not exist" in done.stderr


def test_tmpfs_and_shm_sizes(cli: Docker) -> None:
    out = cli("run", "--rm", "--tmpfs", "/t:size=1m", "--shm-size", "2m", "busybox", "sh", "-c",
              "df -k /t /dev/shm | awk 'NR>1 {print $2}'")  # fmt: skip
    assert out.split() == ["1024", "2048"]


# --- what is shown -------------------------------------------------------------------------------


def test_inspect_says_what_scripts_ask_for(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "-e", "A=b", "-l", "k=v", "-p", "0:80", "busybox", "sleep", "60")
    seen = cli.inspect(name)
    assert seen["Name"] == f"/{name}"
    assert (seen["Path"], seen["Args"]) == ("sleep", ["60"])
    assert seen["State"]["Running"] is True
    assert seen["State"]["Pid"] > 0
    assert "A=b" in seen["Config"]["Env"]
    assert seen["Config"]["Labels"]["k"] == "v"
    assert seen["HostConfig"]["NetworkMode"] in {"bridge", "default"}
    assert re.fullmatch(r"172\.\d+\.\d+\.\d+", seen["NetworkSettings"]["Networks"]["bridge"]["IPAddress"])
    assert int(seen["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]) > 0
    assert cli("port", name, "80/tcp").splitlines()[0].startswith("0.0.0.0:")


def test_top_lists_the_processes(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "busybox", "sleep", "61")
    assert "sleep 61" in cli("top", name)
    assert cli("top", name, "-o", "pid,comm").split()[-1] == "sleep"


def test_stats_show_memory_and_processes(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "busybox", "sleep", "60")
    stats = json.loads(cli("stats", "--no-stream", "--format", "{{json .}}", name))
    assert stats["Name"] == name
    assert stats["PIDs"] == "1"
    assert not stats["MemUsage"].startswith("0B")


def test_events_tell_the_life_of_a_container(cli: Docker, name: str) -> None:
    begun = time.time() - 1
    assert cli.try_("run", "--name", name, "busybox", "sh", "-c", "exit 3").returncode == 3
    cli("rm", name)
    form = '{{.Action}} {{index .Actor.Attributes "exitCode"}}'
    lines = cli("events", "--since", f"{begun:.0f}", "--until", f"{time.time() + 0.5:.3f}",
                "--filter", f"container={name}", "--format", form).splitlines()  # fmt: skip
    actions = [line.split()[0] for line in lines]
    assert [a for a in actions if a in {"create", "start", "die", "destroy"}] == [
        "create",
        "start",
        "die",
        "destroy",
    ]
    assert "die 3" in lines


def test_version_and_info(cli: Docker) -> None:
    assert cli("version", "--format", "{{.Server.Os}}") == "linux"
    info = json.loads(cli("info", "--format", "{{json .}}"))
    assert info["Driver"] == "overlay2"
    assert info["NCPU"] > 0
    assert not info.get("ServerErrors")


def test_filters_of_ps(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "-l", f"mark={name}", "busybox", "sleep", "60")
    assert cli("ps", "-q", "--no-trunc", "--filter", f"label=mark={name}") == cli(
        "inspect", "-f", "{{.Id}}", name
    )
    assert cli("ps", "-q", "--filter", f"label=mark={name}", "--filter", "status=exited", "-a") == ""
    assert cli("ps", "-aq", "--filter", "ancestor=busybox", "--filter", f"name=^/{name}$") != ""
    assert cli.try_("ps", "--filter", "nosuch=x").returncode == 1
