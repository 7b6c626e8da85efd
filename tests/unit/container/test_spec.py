import json
from typing import Any

import pytest

from engine.container import capabilities, devices, mounts, resources
from engine.container.defaults import ALL_CAPABILITIES, DEFAULT_CAPABILITIES, MASKED_PATHS
from engine.container.environment import environment, merge_env
from engine.container.security import security_options
from engine.container.spec import SpecInputs, build_process, build_spec
from engine.container.users import Identity
from engine.errdefs import InvalidParameter

BOB = Identity(uid=1000, gid=1000, groups=(1000, 50), home="/home/bob")


def spec(
    host: dict[str, Any] | None = None, config: dict[str, Any] | None = None, **extra: Any
) -> dict[str, Any]:
    given: dict[str, Any] = {
        "container_id": "c1",
        "config": config or {},
        "host_config": host or {},
        "rootfs": "/root/fs",
        "hostname": "box",
        "args": ["sleep", "1"],
        "env": ["PATH=/bin"],
        "netns": "/run/netns/c1",
        "cgroup_parent": "/docker",
    }
    return build_spec(SpecInputs(**(given | extra)))


def types(result: dict[str, Any]) -> set[str]:
    return {space["type"] for space in result["linux"]["namespaces"]}


def mount(result: dict[str, Any], destination: str) -> dict[str, Any]:
    (found,) = [m for m in result["mounts"] if m["destination"] == destination]
    return dict(found)


def test_a_plain_container_has_dockers_defaults() -> None:
    result = spec()
    assert result["process"]["capabilities"]["bounding"] == list(DEFAULT_CAPABILITIES)
    assert result["process"]["capabilities"]["effective"] == list(DEFAULT_CAPABILITIES)
    assert not result["process"]["noNewPrivileges"]
    assert result["linux"]["maskedPaths"] == list(MASKED_PATHS)
    assert result["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    assert result["linux"]["cgroupsPath"] == "/docker/c1"
    assert result["hostname"] == "box"
    assert types(result) == {"mount", "network", "uts", "pid", "ipc", "cgroup"}
    assert [m["destination"] for m in result["mounts"]][:3] == ["/proc", "/dev", "/dev/pts"]
    assert "size=67108864" in mount(result, "/dev/shm")["options"]
    assert "ro" in mount(result, "/sys")["options"]
    assert json.loads(json.dumps(result)) == result


def test_a_user_other_than_root_starts_without_capabilities() -> None:
    result = spec(user=BOB)
    assert result["process"]["user"] == {"uid": 1000, "gid": 1000, "additionalGids": [1000, 50]}
    assert set(result["process"]["capabilities"]) == {"bounding"}


def test_privileged_opens_everything_but_what_the_daemon_lacks() -> None:
    available = set(ALL_CAPABILITIES) - {"CAP_SYS_RESOURCE"}
    result = spec({"Privileged": True}, available_caps=available)
    caps = result["process"]["capabilities"]["bounding"]
    assert "CAP_SYS_ADMIN" in caps and "CAP_SYS_RESOURCE" not in caps
    assert result["linux"]["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert result["linux"]["maskedPaths"] == [] and result["linux"]["readonlyPaths"] == []
    assert "seccomp" not in result["linux"]
    assert "rw" in mount(result, "/sys")["options"]


@pytest.mark.parametrize(
    ("add", "drop", "has", "lacks"),
    [
        (["net_admin"], [], {"CAP_NET_ADMIN", "CAP_CHOWN"}, {"CAP_SYS_ADMIN"}),
        (["CAP_NET_ADMIN"], ["ALL"], {"CAP_NET_ADMIN"}, {"CAP_CHOWN"}),
        (["ALL"], ["SYS_ADMIN"], {"CAP_NET_ADMIN", "CAP_CHOWN"}, {"CAP_SYS_ADMIN"}),
        ([], ["chown"], {"CAP_KILL"}, {"CAP_CHOWN"}),
        (["chown"], ["chown"], {"CAP_KILL"}, {"CAP_CHOWN"}),
    ],
)
def test_capabilities_added_and_dropped(
    add: list[str], drop: list[str], has: set[str], lacks: set[str]
) -> None:
    caps = set(capabilities.effective(add, drop, privileged=False, available=None))
    assert has <= caps
    assert not lacks & caps


def test_an_unknown_capability_is_named() -> None:
    with pytest.raises(InvalidParameter, match='invalid CapAdd: unknown capability: "CAP_FLY"'):
        spec({"CapAdd": ["fly"]})


def test_a_capability_mask_reads_as_the_default_set() -> None:
    assert capabilities.from_mask(0xA80425FB) == set(DEFAULT_CAPABILITIES)


def test_seccomp_follows_capabilities() -> None:
    def names(result: dict[str, Any]) -> set[str]:
        allowed = [r for r in result["linux"]["seccomp"]["syscalls"] if r["action"] == "SCMP_ACT_ALLOW"]
        return {n for r in allowed if "args" not in r for n in r["names"]}

    assert "mount" not in names(spec())
    assert {"mount", "clone3", "clone"} <= names(spec({"CapAdd": ["SYS_ADMIN"]}))
    assert "chroot" not in names(spec({"CapDrop": ["SYS_CHROOT"]}))


def test_security_options() -> None:
    parsed = security_options(
        ["no-new-privileges", 'seccomp={"defaultAction":"SCMP_ACT_ALLOW"}', "apparmor=x"]
    )
    assert parsed.no_new_privileges
    assert parsed.seccomp == {"defaultAction": "SCMP_ACT_ALLOW"}
    assert security_options(["seccomp:unconfined"]).seccomp == "unconfined"
    assert "seccomp" not in spec({"SecurityOpt": ["seccomp=unconfined"]})["linux"]
    assert spec({"SecurityOpt": ["systempaths=unconfined"]})["linux"]["maskedPaths"] == []
    assert spec({"SecurityOpt": ["no-new-privileges:true"]})["process"]["noNewPrivileges"]
    for wrong in ("bogus", "bogus=1", "no-new-privileges=maybe"):
        with pytest.raises(InvalidParameter, match="invalid --security-opt"):
            security_options([wrong])
    with pytest.raises(InvalidParameter, match="Decoding seccomp profile failed"):
        security_options(["seccomp={"])


def test_limits() -> None:
    host = {
        "Memory": 100 << 20, "MemoryReservation": 50 << 20, "NanoCpus": 500_000_000, "CpuShares": 512,
        "CpusetCpus": "0-1", "PidsLimit": 50, "BlkioWeight": 300,
    }  # fmt: skip
    result = spec(host)["linux"]["resources"]
    assert result["memory"] == {"limit": 100 << 20, "swap": 200 << 20, "reservation": 50 << 20}
    assert result["cpu"] == {"period": 100_000, "quota": 50_000, "shares": 512, "cpus": "0-1"}
    assert result["pids"] == {"limit": 50}
    assert result["blockIO"] == {"weight": 300}
    assert resources.memory({"Memory": 10, "MemorySwap": -1})["swap"] == -1
    assert set(spec()["linux"]["resources"]) == {"devices"}


def test_device_rules_come_after_the_defaults() -> None:
    rules = spec({"DeviceCgroupRules": ["c 1:* rw"]})["linux"]["resources"]["devices"]
    assert rules[0] == {"allow": False, "access": "rwm"}
    assert rules[-1] == {"allow": True, "type": "c", "major": 1, "minor": -1, "access": "rw"}
    assert resources.device_rule("b 0:7 m")["major"] == 0
    with pytest.raises(InvalidParameter, match="invalid device cgroup rule format: 'x 1:2 r'"):
        resources.device_rule("x 1:2 r")


def test_host_devices_are_looked_up() -> None:
    (found,) = devices.host_devices({"Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/nil"}]})
    assert (found.node["path"], found.node["major"], found.node["minor"]) == ("/dev/nil", 1, 3)
    assert found.rule["access"] == "rwm"
    assert spec(devices=[found])["linux"]["devices"] == [found.node]
    for path in ("/etc/passwd", "/dev/missing"):
        with pytest.raises(InvalidParameter, match="error gathering device information"):
            devices.host_devices({"Devices": [{"PathOnHost": path}]})


def test_ulimits_override_the_daemons() -> None:
    result = spec(
        {"Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}]},
        default_ulimits=[{"Name": "nofile", "Soft": 1, "Hard": 1}, {"Name": "core", "Soft": -1, "Hard": -1}],
    )
    assert result["process"]["rlimits"] == [
        {"type": "RLIMIT_NOFILE", "hard": 200, "soft": 100},
        {"type": "RLIMIT_CORE", "hard": 2**64 - 1, "soft": 2**64 - 1},
    ]
    with pytest.raises(InvalidParameter, match="soft limit must be less than"):
        spec({"Ulimits": [{"Name": "nofile", "Soft": 3, "Hard": 2}]})


def test_sharing_the_hosts_namespaces() -> None:
    result = spec(
        {"PidMode": "host", "IpcMode": "host", "UTSMode": "host", "CgroupnsMode": "host"}, netns=None
    )
    assert types(result) == {"mount"}
    assert "hostname" not in result
    assert mount(result, "/dev/shm")["source"] == "/dev/shm"
    assert result["linux"]["sysctl"] == {}


def test_sharing_another_containers_namespaces() -> None:
    result = spec(namespaces={"pid": "/proc/7/ns/pid", "ipc": "/proc/7/ns/ipc"}, shm_path="/x/shm")
    assert {"type": "pid", "path": "/proc/7/ns/pid"} in result["linux"]["namespaces"]
    assert mount(result, "/dev/shm")["source"] == "/x/shm"


def test_sysctls_only_of_own_namespaces() -> None:
    assert spec({"Sysctls": {"net.ipv4.ip_forward": "0"}})["linux"]["sysctl"]["net.ipv4.ip_forward"] == "0"
    with pytest.raises(
        InvalidParameter, match=r'sysctl "net\.core\.x" not allowed in host network namespace'
    ):
        spec({"Sysctls": {"net.core.x": "1"}}, netns=None)
    with pytest.raises(
        InvalidParameter, match=r'sysctl "vm\.swappiness" is not in a separate kernel namespace'
    ):
        spec({"Sysctls": {"vm.swappiness": "1"}})


def test_mounts_are_ordered_and_replace_defaults() -> None:
    user = [
        mounts.bind_mount("/h/deep", "/a/b/c"),
        mounts.bind_mount("/h", "/a", readonly=True, propagation="rslave"),
        mounts.bind_mount("/h/dev", "/dev"),
    ]
    result = spec({"Tmpfs": {"/a/b": "size=1m,exec"}}, mounts=user, files={"/etc/hosts": "/d/hosts"})
    order = [m["destination"] for m in result["mounts"]]
    assert order == ["/proc", "/sys", "/sys/fs/cgroup", "/a", "/dev", "/a/b", "/a/b/c", "/etc/hosts"]
    assert mount(result, "/a/b")["options"] == ["nosuid", "nodev", "rprivate", "size=1m", "exec"]
    assert mount(result, "/a")["options"] == ["rbind", "ro", "rslave"]
    assert result["linux"]["rootfsPropagation"] == "rslave"


def test_a_users_mount_wins_over_the_engines_file() -> None:
    result = spec(mounts=[mounts.bind_mount("/mine", "/etc/hosts")], files={"/etc/hosts": "/d/hosts"})
    assert mount(result, "/etc/hosts")["source"] == "/mine"


def test_a_readonly_root_makes_the_engines_files_readonly() -> None:
    result = spec({"ReadonlyRootfs": True}, files={"/etc/hosts": "/d/hosts"})
    assert result["root"]["readonly"]
    assert "ro" in mount(result, "/etc/hosts")["options"]


def test_a_bad_tmpfs_option_is_named() -> None:
    with pytest.raises(InvalidParameter, match=r'invalid tmpfs option \["bogus"\]'):
        mounts.tmpfs_mount("/t", "size=1,bogus")


def test_environment() -> None:
    env = environment({"Env": ["PATH=/x", "A=1", "HOSTNAME"]}, hostname="h", tty=True, home="/root")
    assert env == ["PATH=/x", "TERM=xterm", "A=1", "HOME=/root"]
    assert merge_env(["A=1", "B=2"], ["B=3", "A"]) == ["B=3"]


def test_an_exec_inherits_from_its_container() -> None:
    base = spec({"SecurityOpt": ["no-new-privileges"]}, {"WorkingDir": "/w"}, env=["A=1", "HOME=/root"])
    process = build_process(base, args=["id"], env=["B=2"], tty=True)
    assert process["env"] == ["A=1", "HOME=/root", "TERM=xterm", "B=2"]
    assert process["cwd"] == "/w" and process["noNewPrivileges"]
    other = build_process(base, args=["id"], user=BOB, cwd="/tmp")
    assert other["user"]["uid"] == 1000 and other["cwd"] == "/tmp"
    assert "HOME=/home/bob" in other["env"] and "effective" not in other["capabilities"]
    strong = build_process(base, args=["id"], privileged=True, available_caps={"CAP_SYS_ADMIN"})
    assert strong["capabilities"]["effective"] == ["CAP_SYS_ADMIN"]
