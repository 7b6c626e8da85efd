from pathlib import Path

import pytest

from engine.build import runstep
from engine.build.imageconfig import image_config, predefined_args
from engine.build.instructions import Instruction, interpret
from engine.build.metadata import State
from engine.build.parser import parse
from engine.errdefs import InvalidParameter, Unsupported
from engine.layer.store import Layer


def run(text: str) -> Instruction:
    return interpret(parse(f"FROM a\n{text}").nodes[1])


def test_shell_and_exec_form(tmp_path: Path) -> None:
    state = State(config={"Shell": ["/bin/ash", "-ec"]})
    assert runstep.command_of(run("RUN echo $A"), state, tmp_path) == (["/bin/ash", "-ec", "echo $A"], {})
    assert runstep.command_of(run('RUN ["a", "$B"]'), state, tmp_path) == (["a", "$B"], {})


def test_heredocs_are_scripts_or_the_shells_business(tmp_path: Path) -> None:
    state = State(config={})
    args, files = runstep.command_of(run("RUN <<EOF\none\ntwo\nEOF"), state, tmp_path)
    assert (args, files) == (["/bin/sh", "-c", "one\ntwo\n"], {})
    args, files = runstep.command_of(run("RUN <<X\n#!/usr/bin/python\npass\nX"), state, tmp_path)
    assert args == ["/dev/pipes/X"]
    assert Path(files["/dev/pipes/X"]).read_text() == "#!/usr/bin/python\npass\n"
    args, _ = runstep.command_of(run("RUN cat <<A <<B >f\n1\nA\n2\nB"), state, tmp_path)
    assert args[2] == "cat <<A <<B >f\n1\nA\n2\nB"


def test_the_line_holds_arguments_but_no_proxies() -> None:
    step = run("RUN make")
    given = {"B": "2", "A": "1", "http_proxy": "http://user:secret@p"}
    assert runstep.line_of(["/bin/sh", "-c", "make"], step, given) == "|2 A=1 B=2 /bin/sh -c make"
    assert runstep.line_of(["make"], step, {}) == "make"


def test_a_script_is_part_of_its_line() -> None:
    one, two = run("RUN <<X\n#!/bin/sh\n1\nX"), run("RUN <<X\n#!/bin/sh\n2\nX")
    assert runstep.line_of(["/dev/pipes/X"], one, {}) != runstep.line_of(["/dev/pipes/X"], two, {})


def test_networks() -> None:
    assert runstep.network_of(run("RUN --network=none x"), "mine") == "none"
    assert runstep.network_of(run("RUN x"), "mine") == "mine"
    with pytest.raises(InvalidParameter, match="unsupported network mode 'x'"):
        runstep.check(run("RUN --network=x x"))
    with pytest.raises(Unsupported, match="--mount option"):
        runstep.check(run("RUN --mount=type=cache,target=/c x"))
    with pytest.raises(Unsupported, match="--security=insecure"):
        runstep.check(run("RUN --security=insecure x"))


def test_an_image_config_grows_by_one_step() -> None:
    layer = Layer("sha256:c", "sha256:d", None, 1, "x", tar_size=10240)
    state = State(config={"Env": []}, author="me")
    first = image_config(None, state, "COPY", "2026-01-01T00:00:00Z", layer)
    second = image_config(first, state, "ENV", "2026-01-02T00:00:00Z", None)
    assert second["rootfs"]["diff_ids"] == ["sha256:d"]
    assert [entry["created_by"] for entry in second["history"]] == ["COPY", "ENV"]
    assert "empty_layer" not in second["history"][0] and second["history"][1]["empty_layer"]
    assert (second["author"], second["os"], second["created"]) == ("me", "linux", "2026-01-02T00:00:00Z")


def test_platform_arguments() -> None:
    values = predefined_args("linux/arm/v7")
    assert (values["TARGETOS"], values["TARGETARCH"], values["TARGETVARIANT"]) == ("linux", "arm", "v7")
    assert values["BUILDPLATFORM"].startswith("linux/")
