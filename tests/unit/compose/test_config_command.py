# ruff: noqa: E501 - cases stand on one line each
import json
import subprocess
import sys

import pytest

from compose.cli.main import run
from compose.emit import to_yaml
from compose.loader.parse import parse

FILE = """
services:
  web:
    image: nginx:${TAG:-1}
    command: echo $$HOME
    ports: ["8080:80"]
    environment: {B: "2", A: "yes"}
    depends_on: [db]
  db: {image: db, profiles: [full], volumes: ["data:/d"]}
  other: {image: o}
volumes: {data: {}}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "compose.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPOSE_FILE", raising=False)
    return tmp_path


def test_config_is_stable_and_loads_to_the_same_again(project, capsys):
    assert run(["-p", "p", "--profile", "full", "config"]) == 0
    first = capsys.readouterr().out
    (project / "compose.yaml").write_text(first)
    assert run(["-p", "p", "--profile", "full", "config"]) == 0
    assert capsys.readouterr().out == first
    assert "echo\n      - $$HOME" in first


@pytest.mark.parametrize(
    ("args", "out"),
    [
        (["--services"], "db\nother\nweb\n"),
        (["--volumes"], "data\n"),
        (["--images"], "db\nnginx:1\no\n"),
        (["--profiles"], "full\n"),
        (["-q"], ""),
    ],
)
def test_listings(project, capsys, args, out):
    assert run(["--profile", "full", "config", *args]) == 0
    assert capsys.readouterr().out == out


def test_json_has_the_same_content_as_yaml(project, capsys):
    run(["--profile", "full", "config", "--format", "json"])
    as_json = json.loads(capsys.readouterr().out)
    run(["--profile", "full", "config"])
    assert parse(capsys.readouterr().out, "x")[0].tree == as_json


def test_named_services_come_with_their_dependencies(project, capsys):
    run(["--profile", "full", "config", "--format", "json", "web"])
    assert sorted(json.loads(capsys.readouterr().out)["services"]) == ["db", "web"]


def test_hashes_ignore_what_makes_no_other_container(project, capsys):
    def hash_of_web():
        assert run(["--profile", "full", "config", "--hash", "web"]) == 0
        return capsys.readouterr().out

    first = hash_of_web()
    (project / "compose.yaml").write_text(
        FILE.replace("    depends_on: [db]\n", "    scale: 3\n    build: .\n")
    )
    assert hash_of_web() == first
    (project / "compose.yaml").write_text(FILE.replace('A: "yes"', 'A: "no"'))
    assert hash_of_web() != first


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["-f", "none.yaml", "config"], 14, "no such file or directory"),
        (["config"], 1, 'depends on "db", which is disabled'),
        (["config", "nope"], 1, "no such service: nope"),
        (["frobnicate"], 1, 'unknown docker command: "compose frobnicate"'),
        (["strat"], 1, "unknown docker command: \"compose strat\". Did you mean 'start'?"),
        (["config", "--frobnicate"], 1, "No such option"),
        (["-p", "A B", "config", "-q"], 1, "invalid project name"),
    ],
)
def test_exit_codes(project, capsys, args, code, message):
    assert run(args) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "yes", "1", "1.5", "~", "a: b", "- a", "a #b", "@x", "multi\nline", "null", "a:", "é", "0x1", " a", "a ", "!x", "&x", "*x", "%x", "{a}", "`x", ".inf", ".5", "-", "=", "<<"])  # fmt: skip
def test_any_string_survives_the_emitter(text):
    assert parse(to_yaml({"key": text, "list": [text, {text: text}]}), "x")[0].tree == {
        "key": text, "list": [text, {text: text}],
    }  # fmt: skip


def test_config_imports_nothing_of_the_engine_client(project):
    program = (
        "import sys; from compose.cli.main import run; code = run(['--profile', 'full', 'config', '-q']);"
        "heavy = {'aiohttp', 'asyncio', 'jsonschema', 'rich', 'msgspec'} & set(sys.modules);"
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=project)
