"""Control groups: which version counts, what is written for a limit, how usage is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.linux import cgroup_stats
from engine.linux.cgroup import Cgroup, CgroupLayout, parse_layout
from engine.linux.cgroup_knobs import V1, V2, Knob, weight

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
PURE = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
SYSTEMD_ONLY = """\
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


def test_version_1_counts_where_it_has_the_controllers() -> None:
    layout = parse_layout(HYBRID)
    assert layout.version == 1
    assert layout.mounts == {
        "cpu": "/sys/fs/cgroup/cpu,cpuacct",
        "cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
        "memory": "/sys/fs/cgroup/memory",
        "name=systemd": "/sys/fs/cgroup/systemd",
    }
    assert len(layout.hierarchies()) == 3


@pytest.mark.parametrize(
    ("mountinfo", "version", "mounts"),
    [
        (PURE, 2, {"": "/sys/fs/cgroup"}),
        (SYSTEMD_ONLY, 2, {"": "/sys/fs/cgroup/unified"}),
        ("21 1 8:1 / / rw - ext4 /dev/sda rw\n", 0, {}),
    ],
)
def test_version_2_counts_otherwise(mountinfo: str, version: int, mounts: dict[str, str]) -> None:
    layout = parse_layout(mountinfo)
    assert (layout.version, layout.mounts) == (version, mounts)


@pytest.mark.parametrize("path", ["", "/", "relative/x", "/a/../b", "slice:prefix:name"])
def test_a_path_that_is_not_clean_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="cgroupsPath"):
        Cgroup(CgroupLayout(2, {"": "/sys/fs/cgroup"}), path)


def written(knobs: tuple[Knob, ...], resources: dict[str, Any]) -> dict[str, list[str]]:
    return {knob.file: values for knob in knobs if (values := knob.render(resources))}


def test_the_same_limits_on_both_versions() -> None:
    resources = {
        "memory": {"limit": 1000, "swap": 3000, "reservation": 500, "swappiness": 10},
        "cpu": {"shares": 1024, "quota": 50000, "period": 100000, "cpus": "0-1", "mems": "0"},
        "pids": {"limit": 10},
        "blockIO": {"weight": 300, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1024}]},
    }
    assert written(V1, resources) == {
        "memory.limit_in_bytes": ["1000"],
        "memory.soft_limit_in_bytes": ["500"],
        "memory.memsw.limit_in_bytes": ["3000"],
        "memory.swappiness": ["10"],
        "cpu.shares": ["1024"],
        "cpu.cfs_period_us": ["100000"],
        "cpu.cfs_quota_us": ["50000"],
        "cpuset.cpus": ["0-1"],
        "cpuset.mems": ["0"],
        "pids.max": ["10"],
        "blkio.bfq.weight": ["300"],
        "blkio.throttle.read_bps_device": ["8:0 1024"],
    }
    assert written(V2, resources) == {
        "memory.max": ["1000"],
        "memory.low": ["500"],
        "memory.swap.max": ["2000"],
        "cpu.weight": ["39"],
        "cpu.max": ["50000 100000"],
        "cpuset.cpus": ["0-1"],
        "cpuset.mems": ["0"],
        "pids.max": ["10"],
        "io.bfq.weight": ["300"],
        "io.weight": ["2930"],
        "io.max": ["8:0 rbps=1024"],
    }


def test_unlimited_and_unset() -> None:
    assert written(V1, {}) == written(V2, {}) == {}
    resources = {"memory": {"limit": -1, "swap": -1}, "pids": {"limit": -1}, "cpu": {"quota": -1}}
    assert written(V1, resources) == {
        "memory.limit_in_bytes": ["-1"],
        "memory.memsw.limit_in_bytes": ["-1"],
        "cpu.cfs_quota_us": ["-1"],
        "pids.max": ["max"],
    }
    assert written(V2, resources) == {
        "memory.max": ["max"],
        "memory.swap.max": ["max"],
        "cpu.max": ["max 100000"],
        "pids.max": ["max"],
    }


def test_shares_map_to_the_whole_range_of_weights() -> None:
    assert [weight(shares) for shares in (0, 2, 1024, 262144, 1 << 30)] == [1, 1, 39, 10000, 10000]


def test_device_rules_of_version_1() -> None:
    rules = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"},
        {"allow": True, "type": "b", "major": 8, "access": "r"},
    ]
    files = written(V1, {"devices": rules})
    assert files["devices.deny"] == ["a"]
    assert files["devices.allow"][:2] == ["c 10:229 rw", "b 8:* r"]
    assert "c 1:3 rwm" in files["devices.allow"] and "c 1:1 rwm" not in files["devices.allow"]
    assert written(V1, {"devices": [{"allow": True, "access": "rwm"}]}) == {"devices.allow": ["a"]}


def files(directory: Path, contents: dict[str, str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (directory / name).write_text(text)


def test_limits_are_written_and_their_absence_is_named(tmp_path: Path) -> None:
    group = Cgroup(CgroupLayout(2, {"": str(tmp_path)}), "/p/c")
    files(tmp_path / "p/c", {"memory.max": "max\n"})
    group.apply({"memory": {"limit": 4096, "swap": 8192}})  # no swap accounting there: left out
    assert (tmp_path / "p/c/memory.max").read_text().startswith("4096")
    with pytest.raises(OSError, match=r"controller is not enabled here.*pids\.max"):
        group.apply({"pids": {"limit": 3}})


def test_a_controller_that_is_not_mounted_is_named(tmp_path: Path) -> None:
    group = Cgroup(CgroupLayout(1, {"memory": str(tmp_path)}), "/p/c")
    with pytest.raises(OSError, match="cgroup controller pids is not mounted"):
        group.apply({"pids": {"limit": 3}})


def test_usage_of_version_1(tmp_path: Path) -> None:
    names = ("cpu", "cpuacct", "memory", "pids", "blkio")
    group = Cgroup(CgroupLayout(1, {name: f"{tmp_path}/{name}" for name in names}), "/p/c")
    files(tmp_path / "cpuacct/p/c", {"cpuacct.usage": "7000\n", "cpuacct.usage_percpu": "3000 4000 \n"})
    files(tmp_path / "cpuacct/p/c", {"cpuacct.stat": "user 2\nsystem 1\n"})
    files(tmp_path / "cpu/p/c", {"cpu.stat": "nr_periods 4\nnr_throttled 3\nthrottled_time 20\n"})
    files(tmp_path / "memory/p/c", {"memory.usage_in_bytes": "10\n", "memory.stat": "cache 5\nrss 6\n"})
    files(tmp_path / "memory/p/c", {"memory.limit_in_bytes": "9223372036854771712\n"})
    files(tmp_path / "pids/p/c", {"pids.current": "2\n", "pids.max": "max\n"})
    text = "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\nTotal 30\n"
    files(tmp_path / "blkio/p/c", {"blkio.throttle.io_service_bytes_recursive": text})
    stats = cgroup_stats.read(group)
    assert stats["cpu_stats"]["cpu_usage"] == {
        "total_usage": 7000,
        "percpu_usage": [3000, 4000],
        "usage_in_kernelmode": 10_000_000,
        "usage_in_usermode": 20_000_000,
    }
    assert stats["cpu_stats"]["throttling_data"] == {
        "periods": 4,
        "throttled_periods": 3,
        "throttled_time": 20,
    }
    assert stats["memory_stats"]["usage"] == 10 and stats["memory_stats"]["stats"] == {"cache": 5, "rss": 6}
    assert 0 < stats["memory_stats"]["limit"] < 1 << 60  # no limit is the machine's memory
    assert stats["pids_stats"] == {"current": 2, "limit": (1 << 64) - 1}
    assert stats["blkio_stats"]["io_service_bytes_recursive"] == [
        {"major": 8, "minor": 0, "op": op, "value": value}
        for op, value in (("Read", 10), ("Write", 20), ("Total", 30))
    ]


def test_usage_of_version_2(tmp_path: Path) -> None:
    group = Cgroup(CgroupLayout(2, {"": str(tmp_path)}), "/p/c")
    contents = {
        "cpu.stat": "usage_usec 7\nuser_usec 4\nsystem_usec 3\nnr_periods 1\nthrottled_usec 2\n",
        "memory.current": "10\n",
        "memory.max": "2048\n",
        "memory.stat": "anon 5\nfile 6\n",
        "pids.current": "2\n",
        "pids.max": "9\n",
        "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n",
    }
    files(tmp_path / "p/c", contents)
    stats = cgroup_stats.read(group)
    assert stats["cpu_stats"]["cpu_usage"] == {
        "total_usage": 7000,
        "usage_in_kernelmode": 3000,
        "usage_in_usermode": 4000,
    }
    assert stats["memory_stats"] == {"usage": 10, "stats": {"anon": 5, "file": 6}, "limit": 2048}
    assert stats["pids_stats"] == {"current": 2, "limit": 9}
    assert [entry["value"] for entry in stats["blkio_stats"]["io_serviced_recursive"]] == [3, 4]


def test_out_of_memory_kills_are_counted(tmp_path: Path) -> None:
    group = Cgroup(CgroupLayout(2, {"": str(tmp_path)}), "/p/c")
    assert group.oom_kills() == 0
    files(tmp_path / "p/c", {"memory.events": "low 0\nhigh 0\noom 2\noom_kill 1\n"})
    assert group.oom_kills() == 1


def test_system_time_is_the_sum_of_the_first_line() -> None:
    assert cgroup_stats.system_cpu_usage("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1\n") == 36 * 10_000_000
