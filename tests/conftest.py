"""What every test shares: who may run, and that nothing of ours is left behind at the end.

In CI a layer that is skipped whole is a failure: a green run must mean that the layer ran.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.harness import leftovers

LAYERS = ("unit", "contract", "integration", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs root where there is none."""
    if os.geteuid() == 0:
        return
    needs_root = pytest.mark.skip(reason="needs root")
    for item in items:
        if item.get_closest_marker("root") or _layer(item.nodeid) in {"integration", "e2e"}:
            item.add_marker(needs_root)


def _layer(nodeid: str) -> str:
    parts = Path(nodeid.partition("::")[0]).parts
    return parts[1] if len(parts) > 2 or (len(parts) > 1 and parts[1] in LAYERS) else ""


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remember what was there before."""
    session.config.stash[_BEFORE] = leftovers.survey()
    session.config.stash[_OUTCOMES] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count, a layer, what ran and what was skipped."""
    if report.when == "call" or (report.when == "setup" and report.skipped):
        _counts[_layer(report.nodeid), report.outcome] += 1


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail the session for leftovers, and in CI for a layer that never ran."""
    found = leftovers.since(session.config.stash[_BEFORE])
    complaints = [f"left behind: {what}" for what in found]
    if os.environ.get("CI"):
        for layer in LAYERS:
            skipped = _counts[layer, "skipped"]
            if skipped and not _counts[layer, "passed"]:
                complaints.append(f"all {skipped} tests of the layer {layer} were skipped")
    if complaints:
        session.config.stash[_COMPLAINTS] = complaints
        if exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say why, above pytest's own closing line."""
    for complaint in config.stash.get(_COMPLAINTS, []):
        terminalreporter.write_line(f"SESSION FAILED: {complaint}", red=True)


_BEFORE = pytest.StashKey[leftovers.Survey]()
_OUTCOMES = pytest.StashKey[Counter[str]]()
_COMPLAINTS = pytest.StashKey[list[str]]()
_counts: Counter[tuple[str, str]] = Counter()
