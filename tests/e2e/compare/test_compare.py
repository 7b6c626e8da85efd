"""Docker's own engine and ours side by side, through the real CLI.

Three pairs of engines share the scenarios; all are played once, then each test looks at one. What may
differ is in `normalise` and `differences`, nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.e2e.compare import (
    differences,
    lines_containers,
    lines_engine,
    lines_files,
    lines_images,
    lines_run,
)
from tests.e2e.compare.sides import Outcome, Scenario, Side
from tests.harness.dockerd import needs_dockerd, running_dockerd
from tests.harness.engines import running_engine

pytestmark = [pytest.mark.root, pytest.mark.slow, needs_dockerd]

LANES = (
    lines_run.SCENARIOS,
    (*lines_containers.SCENARIOS, *lines_files.SCENARIOS),
    (*lines_images.SCENARIOS, *lines_engine.SCENARIOS),
)
ALL = [scenario for lane in LANES for scenario in lane]
Played = dict[str, list[Outcome]]


def play(side: Side, scenarios: list[Scenario]) -> Played:
    """All scenarios in a row on one engine."""
    return {scenario.name: side.play(scenario) for scenario in scenarios}


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Played, Played]]:
    """What docker and we did, scenario by scenario; only the selected tests' scenarios are played."""
    wanted = {item.name for item in request.session.items}
    base = tmp_path_factory.mktemp("compare")
    theirs: Played = {}
    ours: Played = {}
    with ExitStack() as stack, ThreadPoolExecutor(2 * len(LANES)) as pool:
        jobs = []
        for number, lane in enumerate(LANES):
            scenarios = [one for one in lane if f"test_both_answer_the_same[{one.name}]" in wanted]
            if not scenarios:
                continue
            docker = stack.enter_context(running_dockerd(base / f"theirs{number}"))
            engine = stack.enter_context(running_engine(base / f"ours{number}"))
            for host, results in ((docker.host, theirs), (engine.docker.host, ours)):
                root = host.removeprefix("unix://").removesuffix("/docker.sock")
                side = Side(host, base / f"work-{root.rpartition('/')[2]}", {root: "<root>"})
                jobs.append((pool.submit(play, side, scenarios), results))
        for job, results in jobs:
            results.update(job.result())
        yield theirs, ours


@pytest.mark.parametrize("scenario", ALL, ids=[scenario.name for scenario in ALL])
def test_both_answer_the_same(played: tuple[Played, Played], scenario: Scenario) -> None:
    theirs, ours = (side[scenario.name] for side in played)
    wrong = [
        f"docker:\n{one}\nours:\n{other}"
        for one, other in zip(theirs, ours, strict=True)
        if not same(scenario, one, other)
    ]
    assert not wrong, "\n".join(wrong)


def same(scenario: Scenario, docker: Outcome, own: Outcome) -> bool:
    """Whether two outcomes are equal, but for what is listed as a difference."""
    line = docker.line
    codes = docker.code == own.code or (line, docker.code, own.code) in differences.CODES
    if line in differences.WORDS or scenario.name in differences.SCENARIOS:
        return codes
    return codes and (docker.out, docker.err) == (own.out, own.err)


def test_the_names_of_scenarios_are_unique() -> None:
    assert len({scenario.name for scenario in ALL}) == len(ALL)


def test_the_listed_differences_are_lines_of_the_table() -> None:
    lines = {line for scenario in ALL for line in scenario.lines}
    assert set(differences.WORDS) <= lines
    assert {line for line, _, _ in differences.CODES} <= lines
    assert set(differences.SCENARIOS) <= {scenario.name for scenario in ALL}
