"""Tables, ages and sizes as docker writes them, and a command line that imports little."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from engine.api.durations import human_duration
from engine.cli import columns
from engine.cli.columns import memory
from engine.cli.main import VERBS, pydocker
from engine.cli.ps import parse_filters, port, row
from engine.client.tables import table
from engine.errdefs import InvalidParameter


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "Less than a second"),
        (1, "1 second"),
        (45, "45 seconds"),
        (61, "About a minute"),
        (600, "10 minutes"),
        (3700, "About an hour"),
        (7200, "2 hours"),
        (86400 * 3, "3 days"),
        (86400 * 21, "3 weeks"),
        (86400 * 90, "3 months"),
        (86400 * 365 * 3, "3 years"),
    ],
)
def test_ages(seconds: float, words: str) -> None:
    assert human_duration(seconds) == words


@pytest.mark.parametrize(("count", "words"), [(12, "12B"), (1980000, "1.98MB"), (25_300_000_000, "25.3GB")])
def test_sizes(count: int, words: str) -> None:
    assert columns.size(count) == words


def test_columns_stand_three_blanks_apart() -> None:
    assert table(("A", "LONG", "C"), [("aaaa", "b", "c")]) == "A      LONG   C\naaaa   b      c"


def test_a_container_becomes_a_row() -> None:
    container = {
        "Id": "f" * 64,
        "Image": "busybox",
        "Command": "sleep 1000 and some more words",
        "Created": 0,
        "Status": "Up 2 seconds",
        "Names": ["/node1/web"],
        "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}],
    }
    cells = row(container, no_trunc=False)
    assert cells[0] == "f" * 12
    assert cells[2] == '"sleep 1000 and some…"'
    assert cells[5:] == ("0.0.0.0:8080->80/tcp", "node1/web")


def test_ports_without_publication_and_with_ipv6() -> None:
    assert port({"PrivatePort": 80, "Type": "tcp"}) == "80/tcp"
    assert port({"IP": "::", "PrivatePort": 53, "PublicPort": 53, "Type": "udp"}) == "[::]:53->53/udp"


def test_filters_are_collected_by_name() -> None:
    assert parse_filters(("name=a", "name=b", "label=k=v")) == {"name": ["a", "b"], "label": ["k=v"]}
    with pytest.raises(InvalidParameter, match="expected NAME=VALUE"):
        parse_filters(("name",))


def test_every_verb_of_the_table_is_there_and_describes_itself() -> None:
    for verb in VERBS:
        result = CliRunner().invoke(pydocker, [verb, "--help"])
        assert result.exit_code == 0, verb
        assert "Usage: pydocker" in result.output


@pytest.mark.parametrize(("verb", "hint"), [("run", "docker CLI"), ("image", "Did you mean 'images'?")])
def test_an_unknown_verb_is_answered_with_a_way_on(verb: str, hint: str) -> None:
    result = CliRunner().invoke(pydocker, [verb])
    assert result.exit_code == 2
    assert f"No such command '{verb}'." in result.output
    assert hint in result.output


@pytest.mark.parametrize(("count", "words"), [(512, "512B"), (2 << 30, "2GiB"), (25279127552, "23.54GiB")])
def test_memory_is_told_in_binary_units(count: int, words: str) -> None:
    assert memory(count) == words


def test_help_imports_neither_the_http_client_nor_a_verb() -> None:
    script = (
        "import sys; from engine.cli.main import pydocker; "
        "pydocker.main(['--help'], standalone_mode=False); "
        "heavy = {'aiohttp', 'rich', 'asyncssh', 'engine.cli.ps'} & set(sys.modules); "
        "print(*heavy, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
