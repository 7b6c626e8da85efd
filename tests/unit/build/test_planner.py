import pytest

from engine.build.parser import DockerfileError, parse
from engine.build.planner import Plan, plan
from engine.errdefs import InvalidParameter

STAGES = """\
ARG BASE=busybox
ARG EMPTY
FROM ${BASE} AS one
RUN 1
FROM one AS two
RUN 2
FROM alpine AS unused
RUN 3
FROM scratch
COPY --from=two /a /b
COPY --from=registry.example/tool /c /d
"""


def planned(text: str, **options: object) -> Plan:
    return plan(parse(text), **options)  # type: ignore[arg-type]


def test_stages_that_nothing_needs_are_left_out() -> None:
    result = planned(STAGES)
    assert [s.index for s in result.stages] == [0, 1, 3]
    assert [s.name for s in result.skipped] == ["unused"]
    assert result.total == 2 + 2 + 2 + 3
    assert result.stages[1].base_stage == 0
    assert result.stages[2].depends == {1}
    assert result.find("TWO") is result.stages[1]
    assert result.find("0") is result.stages[0]
    assert result.find("registry.example/tool") is None


def test_a_target_by_name_or_number() -> None:
    assert [s.index for s in planned(STAGES, target="one").stages] == [0]
    assert [s.index for s in planned(STAGES, target="2").stages] == [2]
    with pytest.raises(InvalidParameter, match="failed to reach build target zz in Dockerfile"):
        planned(STAGES, target="zz")


def test_build_arguments_choose_the_base() -> None:
    result = planned(STAGES, build_args={"BASE": "debian", "EMPTY": None})
    assert result.stages[0].base == "debian"
    assert result.scope["BASE"] == "debian" and "EMPTY" not in result.scope


def test_predefined_arguments() -> None:
    result = planned("FROM --platform=$BUILDPLATFORM a", predefined={"BUILDPLATFORM": "linux/arm64"})
    assert result.stages[0].platform == "linux/arm64"


def test_labels_become_a_step_of_the_target() -> None:
    (step,) = planned("FROM a", labels={"k": "it's $A"}).stages[0].steps
    assert step.name == "LABEL" and step.original == "LABEL k=it's $A"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("RUN x", "no build stage in current context"),
        ("ARG a", "no build stage in current context"),
        ("FROM $NOT", r"line 1: base name \(\$NOT\) should not be blank"),
        ("FROM a\nCOPY --from=0 a b", "line 2: invalid from flag value 0"),
        ("FROM a\nCOPY --from=3 a b", "line 2: invalid from flag value 3"),
        ("FROM a\nFOO x", "line 2: unknown instruction: FOO"),
        ("FROM ${A:?no}", "line 1: .*A: no"),
    ],
)
def test_what_cannot_be_planned(text: str, words: str) -> None:
    with pytest.raises((InvalidParameter, DockerfileError), match=words):
        planned(text)
