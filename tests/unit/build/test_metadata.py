from typing import Any

import pytest

from engine.build.changes import apply_changes
from engine.build.instructions import interpret_line
from engine.build.metadata import METADATA, State, duration, parse_ports, prepare, workdir
from engine.errdefs import InvalidParameter


def applied(*lines: str, **state: Any) -> tuple[State, list[str]]:
    current = State(config=prepare(state.pop("config", {})), **state)
    shown = []
    for line in lines:
        step = interpret_line(line)
        shown.append(workdir(current, step) if step.name == "WORKDIR" else METADATA[step.name](current, step))
    return current, shown


def test_env_sees_what_was_before_its_line() -> None:
    state, shown = applied("ENV abc=hello", "ENV abc=bye def=$abc", "ENV ghi=$abc")
    assert state.config["Env"][1:] == ["abc=bye", "def=hello", "ghi=bye"]
    assert shown == ["ENV abc=hello", "ENV abc=bye def=hello", "ENV ghi=bye"]


def test_a_path_is_always_there() -> None:
    assert prepare(None)["Env"][0].startswith("PATH=")
    assert prepare({"Env": ["PATH=/x"]})["Env"] == ["PATH=/x"]


def test_arguments_have_scope_default_and_given_value() -> None:
    lines = ("ARG A=1", "ARG B", "ARG C", "ARG D=$A", "ENV X=$A$B$C$D")
    state, shown = applied(*lines, given={"B": "2"}, inherited={"C": "3"})
    assert state.config["Env"][-1] == "X=1231"
    assert state.build_args() == {"A": "1", "B": "2", "C": "3", "D": "1"}
    assert shown[:2] == ["ARG A=1", "ARG B"]


def test_env_hides_an_argument() -> None:
    state, _ = applied("ARG A=1", "ENV A=2")
    assert state.expand("$A") == "2"
    assert state.build_args() == {}


def test_proxies_reach_a_run_without_being_declared() -> None:
    state, _ = applied(given={"HTTP_PROXY": "http://p", "OTHER": "x"})
    assert state.build_args() == {"HTTP_PROXY": "http://p"}


def test_commands() -> None:
    state, shown = applied('SHELL ["/bin/sh", "-ec"]', "CMD a b", 'ENTRYPOINT ["x"]')
    assert state.config["Cmd"] == ["/bin/sh", "-ec", "a b"]
    assert state.config["Entrypoint"] == ["x"]
    assert shown[1:] == ['CMD ["/bin/sh" "-ec" "a b"]', 'ENTRYPOINT ["x"]']


def test_an_entrypoint_takes_an_inherited_command_away() -> None:
    state, _ = applied('ENTRYPOINT ["x"]', config={"Cmd": ["old"]})
    assert "Cmd" not in state.config


def test_ports_volumes_labels_and_the_rest() -> None:
    state, shown = applied(
        "EXPOSE 80 53/udp 8000-8001", "VOLUME /a /b", 'LABEL a="x y"', "USER bob", "STOPSIGNAL SIGINT",
        "WORKDIR a", "WORKDIR ../b/", "HEALTHCHECK --interval=1m30s --retries=3 CMD true", "ONBUILD RUN x",
        "MAINTAINER me",
    )  # fmt: skip
    config = state.config
    assert set(config["ExposedPorts"]) == {"80/tcp", "53/udp", "8000/tcp", "8001/tcp"}
    assert config["Volumes"] == {"/a": {}, "/b": {}}
    assert config["Labels"] == {"a": "x y"}
    assert (config["User"], config["StopSignal"], config["WorkingDir"]) == ("bob", "SIGINT", "/b")
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "true"], "Interval": 90 * 10**9, "Retries": 3}
    assert config["OnBuild"] == ["RUN x"] and state.author == "me"
    assert shown[0] == "EXPOSE 53/udp 80 8000-8001"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("EXPOSE a", "Invalid containerPort: a"),
        ("EXPOSE 1/x", "Invalid proto: x"),
        ("EXPOSE 70000", "Invalid containerPort: 70000"),
        ("STOPSIGNAL bad", "Invalid signal: bad"),
        ("HEALTHCHECK --interval=1us CMD x", "cannot be less than 1ms"),
        ("HEALTHCHECK --interval=x CMD x", 'invalid duration "x"'),
        ("HEALTHCHECK --retries=-1 CMD x", "--retries must be at least 1"),
        ("LABEL $NOT=1", "LABEL names can not be blank"),
    ],
)
def test_values_that_cannot_be(line: str, words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        applied(line)


def test_numbers() -> None:
    assert parse_ports("5-6/udp") == ["5/udp", "6/udp"]
    assert duration("1h2m3.5s") == 3723500000000
    assert duration("0") == 0


def test_changes_of_commit_and_import() -> None:
    config = apply_changes({"Env": ["A=1"]}, ["ENV B=2", "CMD x\nWORKDIR /w"])
    assert config == {"Env": ["A=1", "B=2"], "Cmd": ["/bin/sh", "-c", "x"], "WorkingDir": "/w"}
    with pytest.raises(InvalidParameter, match="run is not a valid change command"):
        apply_changes({}, ["RUN x"])
