"""What a container sees, and what it cannot reach."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.driverapi.execution import IOConfig
from engine.errdefs import StartFailure
from tests.contract.execution_lab import Lab, mount

pytestmark = pytest.mark.root


def status_of(text: str) -> dict[str, str]:
    """proc_pid_status(5) as a dict."""
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


async def test_capabilities_are_dockers(lab: Lab) -> None:
    status = status_of((await lab.run("cat", "/proc/self/status")).text)
    assert {status[f"Cap{name}"] for name in ("Prm", "Eff", "Bnd")} == {"00000000a80425fb"}
    assert {status[f"Cap{name}"] for name in ("Inh", "Amb")} == {"0000000000000000"}
    assert status["NoNewPrivs"] == "0"


async def test_another_user_has_no_effective_capabilities(lab: Lab) -> None:
    user = {"uid": 1000, "gid": 1000, "additionalGids": [5, 7], "umask": 0o27}
    status = status_of((await lab.run("cat", "/proc/self/status", process={"user": user})).text)
    assert status["CapEff"] == status["CapPrm"] == "0000000000000000"
    assert status["CapBnd"] == "00000000a80425fb"
    assert (status["Uid"], status["Gid"]) == ("1000\t1000\t1000\t1000",) * 2
    assert status["Groups"] == "5 7"
    assert status["Umask"] == "0027"


async def test_ambient_capabilities_survive_the_change_of_user(lab: Lab) -> None:
    sets = ("bounding", "effective", "permitted", "inheritable", "ambient")
    caps = {name: ["CAP_NET_BIND_SERVICE"] for name in sets}
    process = {"user": {"uid": 1000, "gid": 1000}, "capabilities": caps}
    status = status_of((await lab.run("cat", "/proc/self/status", process=process)).text)
    assert {status[f"Cap{name}"] for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0000000000000400"}


async def test_capabilities_we_lack_are_left_out(lab: Lab) -> None:
    from engine.linux.capabilities import NAMES, bounding_set

    caps = {name: list(NAMES) for name in ("bounding", "effective", "permitted")}
    status = status_of((await lab.run("cat", "/proc/self/status", process={"capabilities": caps})).text)
    assert int(status["CapEff"], 16) == bounding_set()


async def test_no_new_privileges(lab: Lab) -> None:
    outcome = await lab.run("cat", "/proc/self/status", process={"noNewPrivileges": True})
    assert status_of(outcome.text)["NoNewPrivs"] == "1"


async def test_no_descriptor_or_variable_of_ours_leaks(lab: Lab) -> None:
    outcome = await lab.run("sh", "-c", "ls /proc/1/fd | xargs; env | sort | cut -d= -f1; true")
    fds, *names = outcome.text.splitlines()
    assert fds == "0 1 2"
    assert names == ["HOME", "PATH", "PWD", "SHLVL"]  # the last two by the shell


async def test_no_signal_is_ignored_or_blocked(lab: Lab) -> None:
    status = status_of((await lab.run("cat", "/proc/self/status")).text)
    assert {status[name] for name in ("SigIgn", "SigBlk", "SigCgt")} == {"0" * 16}


@pytest.mark.parametrize("tty", [False, True])
async def test_init_leads_a_session_and_is_pid_1(lab: Lab, tty: bool) -> None:
    io = IOConfig(tty=tty)
    outcome = await lab.run("sh", "-c", "cat /proc/$$/stat; true", io=io, process={"terminal": tty})
    pid, _, _, parent, group, session, terminal, *_ = outcome.text.split()
    assert (pid, parent, group, session) == ("1", "0", "1", "1")
    assert (terminal != "0") is tty


async def test_namespaces_are_its_own(lab: Lab) -> None:
    names = ("mnt", "uts", "ipc", "pid", "net", "cgroup")
    outcome = await lab.run("sh", "-c", "; ".join(f"readlink /proc/self/ns/{name}" for name in names))
    for name, link in zip(names, outcome.text.split(), strict=True):
        assert link != os.readlink(f"/proc/self/ns/{name}")


async def test_shared_namespaces_are_the_hosts(lab: Lab) -> None:
    outcome = await lab.run(
        "sh",
        "-c",
        "readlink /proc/self/ns/net; readlink /proc/self/ns/uts; readlink /proc/self/ns/ipc",
        namespaces=("mount", "pid"),
        hostname="",
    )
    assert outcome.text.split() == [os.readlink(f"/proc/self/ns/{name}") for name in ("net", "uts", "ipc")]


async def test_a_namespace_given_by_path_is_joined(lab: Lab) -> None:
    first = await lab.start("sleep", "100")
    pid = (await lab.driver.pids(first.id))[0]
    linux = {
        "namespaces": [
            {"type": "mount"},
            {"type": "pid", "path": f"/proc/{pid}/ns/pid"},
            {"type": "network", "path": f"/proc/{pid}/ns/net"},
            {"type": "ipc", "path": f"/proc/{pid}/ns/ipc"},
        ]
    }
    outcome = await lab.run("sh", "-c", "readlink /proc/self/ns/net; ps", linux=linux, hostname="")
    assert outcome.text.split()[0] == os.readlink(f"/proc/{pid}/ns/net")
    assert "sleep 100" in outcome.text
    assert len(await lab.driver.pids(first.id)) == 1


async def test_without_a_pid_namespace_descendants_end_with_init(lab: Lab) -> None:
    outcome = await lab.run(
        "sh", "-c", "sleep 98 >/dev/null 2>&1 & exit 4", namespaces=("mount", "uts", "ipc", "network")
    )
    assert outcome.status.code == 4
    assert await lab.driver.pids(outcome.container.id) == []


async def test_masked_and_read_only_paths(lab: Lab) -> None:
    outcome = await lab.run(
        "sh",
        "-c",
        "cat /proc/kcore /proc/keys | wc -c; ls /proc/acpi /sys/firmware 2>/dev/null | grep -vc :;"
        " echo 1 > /proc/sys/kernel/domainname; echo 1 > /proc/sysrq-trigger;"
        " mkdir /sys/x; touch /sys/fs/cgroup/x",
    )
    assert outcome.text.split()[0] == "0"
    assert outcome.stderr.count(b"Read-only file system") >= 3
    assert outcome.status.code != 0


async def test_the_root_can_be_read_only(lab: Lab) -> None:
    outcome = await lab.run(
        "sh", "-c", "touch /x; touch /dev/shm/y && echo shm", root={"path": str(lab.rootfs), "readonly": True}
    )
    assert b"Read-only file system" in outcome.stderr and outcome.text == "shm"
    assert (await lab.run("touch", "/x")).status.code == 0


async def test_the_hosts_file_system_is_gone(lab: Lab) -> None:
    marker = lab.root / "host-file"
    marker.touch()
    outcome = await lab.run("sh", "-c", f"ls {lab.root}; cat /proc/self/mountinfo")
    assert "host-file" not in outcome.text
    assert all(
        line.split()[4].startswith(("/proc", "/dev", "/sys")) for line in outcome.text.splitlines()[1:]
    )


async def test_devices(lab: Lab) -> None:
    device = {
        "path": "/dev/x/mine",
        "type": "c",
        "major": 1,
        "minor": 3,
        "fileMode": 0o640,
        "uid": 3,
        "gid": 4,
    }
    outcome = await lab.run(
        "sh",
        "-c",
        "stat -c '%n %t:%T %a' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty;"
        " for l in fd stdin ptmx; do readlink /dev/$l; done; stat -c '%a %u %g' /dev/x/mine;"
        " echo hi > /dev/null",
        linux={"devices": [device]},
        resources={"devices": [{"allow": False, "access": "rwm"}]},
    )
    lines = outcome.text.splitlines()
    numbers = ["1:3", "1:5", "1:7", "1:8", "1:9", "5:0"]
    assert [line.split()[1:] for line in lines[:6]] == [[number, "666"] for number in numbers]
    assert lines[6:] == ["/proc/self/fd", "/proc/self/fd/0", "pts/ptmx", "640 3 4"]
    assert outcome.status.code == 0


async def test_device_rules_refuse_what_is_not_allowed(lab: Lab) -> None:
    rules = [{"allow": False, "access": "rwm"}]
    outcome = await lab.run(
        "sh", "-c", "mknod /tmp/mem c 1 1 && cat /tmp/mem; rm -f /tmp/mem", resources={"devices": rules}
    )
    assert b"Operation not permitted" in outcome.stderr


async def test_bind_mounts_and_their_options(lab: Lab) -> None:
    source = lab.root / "volume"
    source.mkdir()
    (source / "file").write_text("content\n")
    outcome = await lab.run(
        "sh",
        "-c",
        "cat /vol/file /single; touch /vol/new /rw/new; grep -E ' /(vol|rw|single) ' /proc/self/mountinfo",
        mounts=[
            mount("/vol", "bind", "rbind", "ro", "nosuid", "rprivate", source=str(source)),
            mount("/rw", "bind", "rbind", source=str(source)),
            mount("/single", "bind", "bind", "ro", source=str(source / "file")),
        ],
    )
    assert outcome.text.startswith("content\ncontent\n")
    assert b"/vol/new: Read-only file system" in outcome.stderr
    assert (source / "new").exists()
    by_target = {line.split()[4]: line.split()[5] for line in outcome.text.splitlines()[2:]}
    assert by_target["/vol"].startswith("ro,nosuid") and by_target["/rw"].startswith("rw")


async def test_a_link_in_the_image_does_not_lead_a_mount_out(lab: Lab) -> None:
    outside = lab.root / "outside"
    outside.mkdir()
    (lab.rootfs / "escape").symlink_to(outside)
    (lab.rootfs / "up").symlink_to("../../../../../../../../../../" + str(outside))
    source = lab.root / "volume"
    source.mkdir()
    (source / "file").touch()
    outcome = await lab.run(
        "sh",
        "-c",
        "ls /escape/a /up/b",
        mounts=[
            mount("/escape/a", "bind", "rbind", source=str(source)),
            mount("/up/b", "bind", "rbind", source=str(source)),
        ],
    )
    assert outcome.text.count("file") == 2
    assert list(outside.iterdir()) == []


async def test_proc_on_a_link_is_refused(lab: Lab) -> None:
    (lab.rootfs / "proc").rmdir()
    (lab.rootfs / "proc").symlink_to("tmp")
    with pytest.raises(StartFailure, match="must be mounted on ordinary directory"):
        await lab.run("true")


async def test_a_directory_mounted_on_a_file_is_explained(lab: Lab) -> None:
    with pytest.raises(StartFailure, match="Are you trying to mount a directory onto a file") as caught:
        await lab.run("true", mounts=[mount("/etc/passwd", "bind", "rbind", source=str(lab.root))])
    assert caught.value.exit_code == 127


async def test_tmpfs_and_shared_memory(lab: Lab) -> None:
    outcome = await lab.run(
        "sh",
        "-c",
        "stat -c %a /scratch; grep -E ' /(scratch|dev/shm) ' /proc/self/mounts",
        mounts=[mount("/scratch", "tmpfs", "nosuid", "size=1m", "mode=1700")],
    )
    assert outcome.text.startswith("1700\n")
    assert "size=1024k" in outcome.text and "size=65536k" in outcome.text


async def test_propagation_is_what_the_mount_asks_for(lab: Lab) -> None:
    outcome = await lab.run("cat", "/proc/self/mountinfo")
    assert "shared:" not in outcome.text and "master:" not in outcome.text


async def test_hostname_sysctls_limits_and_oom_score(lab: Lab) -> None:
    outcome = await lab.run(
        "sh",
        "-c",
        "hostname; cat /proc/sys/net/ipv4/ip_forward; ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj",
        process={"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 123, "hard": 456}], "oomScoreAdj": 77},
        linux={"sysctl": {"net.ipv4.ip_forward": "1"}},
    )
    assert outcome.text.split() == ["box", "1", "123", "456", "77"]


async def test_a_hard_limit_beyond_ours_becomes_ours(lab: Lab) -> None:
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    rlimits = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": most * 4}]
    outcome = await lab.run("sh", "-c", "ulimit -n; ulimit -Hn", process={"rlimits": rlimits})
    assert outcome.text.split()[0] == "100" and int(outcome.text.split()[1]) >= most


async def test_a_missing_working_directory_is_made(lab: Lab) -> None:
    outcome = await lab.run("pwd", process={"cwd": "/made/for/you"})
    assert outcome.text == "/made/for/you"


async def test_a_working_directory_through_our_descriptors_is_refused(lab: Lab) -> None:
    for number in range(3, 12):
        with pytest.raises(StartFailure):
            await lab.run("true", process={"cwd": f"/proc/self/fd/{number}"})


async def test_home_comes_from_passwd_unless_given(lab: Lab) -> None:
    user = {"uid": 1000, "gid": 1000}
    assert (await lab.run("sh", "-c", "echo $HOME", process={"user": user})).text == "/home/alice"
    env = ["PATH=/bin", "HOME=/elsewhere"]
    assert (await lab.run("sh", "-c", "echo $HOME", process={"user": user, "env": env})).text == "/elsewhere"


async def test_cgroups_are_seen_from_inside_as_the_root(lab: Lab) -> None:
    outcome = await lab.run(
        "sh", "-c", "cat /proc/self/cgroup; ls /sys/fs/cgroup; cat /sys/fs/cgroup/*/tasks | wc -l"
    )
    assert all(line.endswith(":/") for line in outcome.text.splitlines() if line.count(":") == 2)
    assert "memory" in outcome.text or "cgroup.procs" in outcome.text


async def test_a_terminal_belongs_to_the_user_and_the_session(lab: Lab) -> None:
    outcome = await lab.run(
        "sh",
        "-c",
        "stat -c %u $(tty); echo hi > /dev/tty; echo con > /dev/console; cat /proc/self/stat",
        io=IOConfig(tty=True),
        process={"terminal": True, "user": {"uid": 1000, "gid": 1000}},
    )
    lines = outcome.text.split("\r\n")
    assert lines[:3] == ["1000", "hi", "con"]
    assert int(lines[3].split()[6]) != 0  # tty_nr


async def test_stdout_can_be_opened_again_by_another_user(lab: Lab) -> None:
    outcome = await lab.run(
        "sh", "-c", "echo a > /dev/stdout; echo b > /dev/stderr", process={"user": {"uid": 1000, "gid": 1000}}
    )
    assert (outcome.stdout, outcome.stderr) == (b"a\n", b"b\n")


async def test_the_exec_directory_may_be_too_long_for_a_socket_path(tmp_path: Path) -> None:
    from tests.contract.execution_lab import open_lab

    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    lab = await open_lab("native", deep)
    try:
        assert (await lab.run("echo", "far")).text == "far"
    finally:
        await lab.close()


async def test_a_seccomp_filter_is_in_force(lab: Lab) -> None:
    pytest.importorskip("pyseccomp")
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}],
    }
    for nnp in (False, True):
        container = await lab.start(
            "sh",
            "-c",
            "grep Seccomp: /proc/self/status; mkdir /tmp/d; sleep 100",
            linux={"seccomp": profile},
            process={"noNewPrivileges": nnp},
        )
        assert container.attachment is not None
        head = await container.attachment.reader.readuntil(b"implemented\n")
        assert b"Seccomp:\t2" in head and b"mkdir: can't create directory" in head
        code, out = await lab.exec(container, "mkdir", "/tmp/e")
        assert code == 1 and b"Function not implemented" in out


async def test_what_the_engines_spec_asks_for_works(lab: Lab) -> None:
    (lab.rootfs / "busy").mkdir()
    outcome = await lab.run("sh", "-c", "mount -t tmpfs none /busy; unshare -U true; dmesg | head -1")
    assert outcome.stderr.count(b"ermi") >= 1
