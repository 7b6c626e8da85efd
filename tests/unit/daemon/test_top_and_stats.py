import os
import stat
from pathlib import Path

import pytest

from engine.daemon import top
from engine.daemon.archive import go_mode
from engine.daemon.stats import interfaces
from engine.errdefs import InvalidParameter

PS = """\
UID          PID    PPID  C STIME TTY          TIME CMD
root           1       0  0 20:26 ?        00:00:01 /sbin/init splash
root        8828    8807  0 20:43 ?        00:00:00 sleep 1000
alice       8829    8828  0 20:43 pts/0    00:00:00 sh -c  echo   two  words
"""


def test_only_the_containers_processes_are_shown_and_the_command_keeps_its_spaces():
    found = top.parse(PS, {8828, 8829})
    assert found["Titles"] == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert [row[1] for row in found["Processes"]] == ["8828", "8829"]
    assert found["Processes"][1][-1] == "sh -c  echo   two  words"


def test_threads_follow_their_process():
    output = "PID TID CMD\n7 - one\n- 71 -\n8 - two\n- 81 -\n"
    assert top.parse(output, {8})["Processes"] == [["8", "-", "two"], ["-", "81", "-"]]


def test_output_without_process_ids_is_refused():
    with pytest.raises(InvalidParameter, match="Couldn't find PID field"):
        top.parse("CMD\nsleep\n", {1})


@pytest.mark.parametrize("args", ["-o pid=Process", "-o user,pid=", 'unclosed "'])
def test_arguments_that_would_hide_the_process_ids(args):
    with pytest.raises(InvalidParameter):
        top.split_args(args)


def test_interfaces(tmp_path: Path):
    file = tmp_path / "dev"
    lo, eth = "10 1 0 0 0 0 0 0 10 1 0 0 0 0 0 0", "100 2 3 4 0 0 0 0 200 5 6 7 0 0 0 0"
    file.write_text(f"Inter-| Receive | Transmit\n face |bytes packets …\n    lo: {lo}\n  eth0: {eth}\n")
    assert interfaces(file) == {
        "eth0": {
            "rx_bytes": 100, "rx_packets": 2, "rx_errors": 3, "rx_dropped": 4,
            "tx_bytes": 200, "tx_packets": 5, "tx_errors": 6, "tx_dropped": 7,
        }
    }  # fmt: skip
    assert interfaces(tmp_path / "gone") == {}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (stat.S_IFREG | 0o644, 0o644),
        (stat.S_IFDIR | 0o755, 2147484141),  # as dockerd answers
        (stat.S_IFLNK | 0o777, 134218239),  # as dockerd answers
        (stat.S_IFREG | stat.S_ISUID | 0o755, 1 << 23 | 0o755),
        (stat.S_IFDIR | stat.S_ISVTX | 0o777, 1 << 31 | 1 << 20 | 0o777),
        (os.stat("/dev/null").st_mode, 1 << 26 | 1 << 21 | 0o666),
    ],
)
def test_modes_as_go_writes_them(mode, expected):
    assert go_mode(mode) == expected
