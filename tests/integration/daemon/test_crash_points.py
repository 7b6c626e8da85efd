"""The daemon dies at each step of a create, a start and a removal, and the next one puts it right."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from examples.cluster.lab import alive
from tests.harness.agreement import call, disagreements
from tests.harness.crashing import script
from tests.harness.engines import TestEngine, running_engine

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(400)]

BODY = {
    "Image": "busybox",
    "Cmd": ["sh", "-c", "while :; do sleep 60 & wait; done"],
    "Volumes": {"/anonymous": {}},
    "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}},
}


class Crashing:
    """An engine, and the file that arms it."""

    def __init__(self, engine: TestEngine, armed: Path) -> None:
        self.engine, self._armed = engine, armed

    def survives(self, step: int, method: str, path: str, body: Any = None) -> bool:
        """Send a request that dies at `step`, and start the next daemon. True if it had fewer steps."""
        self._armed.write_text(str(step))
        try:
            status, answer = call(self.engine, method, path, body)
        except (OSError, HTTPException):
            self._wait_for_the_end()
            return False
        finally:
            self._armed.unlink()
        assert status < 300, answer
        return True

    def _wait_for_the_end(self) -> None:
        deadline = time.monotonic() + 10
        while alive(self.engine.pid):
            assert time.monotonic() < deadline, "the connection broke, but the daemon lives"
            time.sleep(0.01)
        self._armed.rename(f"{self._armed}.off")
        self.engine.start()
        self._armed.touch()

    def expect(self, wanted: tuple[int, ...], method: str, path: str, body: Any = None) -> Any:
        status, answer = call(self.engine, method, path, body)
        assert status in wanted, (method, path, status, answer)
        return answer

    def agree(self, step: int) -> None:
        found = disagreements(self.engine)
        last = [line for line in self.engine.log.read_text().splitlines() if line.startswith("crashing")][-1:]
        assert not found, "\n".join([f"step {step}", *last, *found])

    def nothing_left(self, step: int) -> None:
        self.agree(step)
        assert self.expect((200,), "GET", "/containers/json?all=1") == []
        assert os.listdir(self.engine.directory / "data/volumes") == []
        assert self.expect((200,), "GET", "/volumes")["Volumes"] == []


@pytest.fixture(scope="module")
def crashing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crashing]:
    directory = tmp_path_factory.mktemp("crashing")
    with running_engine(directory / "e") as engine:
        engine.stop()
        engine.pydocker = script(directory / "pydocker", directory / "armed")
        engine.start()
        yield Crashing(engine, directory / "armed")


def test_at_each_step_of_a_create(crashing: Crashing) -> None:
    for step in range(1, 100):
        done = crashing.survives(step, "POST", "/containers/create?name=one", BODY)
        crashing.agree(step)
        # The name is free again, or the container is there as a whole.
        found = crashing.expect((200, 404), "GET", "/containers/one/json")
        if "State" in found:
            crashing.expect((204,), "POST", "/containers/one/start")
        else:
            assert not done
            crashing.nothing_left(step)
            crashing.expect((201,), "POST", "/containers/create?name=one", BODY)
        crashing.expect((204,), "DELETE", "/containers/one?force=1&v=1")
        crashing.nothing_left(step)
        if done:
            assert step > 8
            return


def test_at_each_step_of_a_start(crashing: Crashing) -> None:
    crashing.expect((201,), "POST", "/containers/create?name=one", BODY)
    for step in range(1, 100):
        done = crashing.survives(step, "POST", "/containers/one/start")
        crashing.agree(step)
        state = crashing.expect((200,), "GET", "/containers/one/json")["State"]
        if done:
            assert state["Status"] == "running"
            break
        assert state["Status"] in ("created", "exited", "running"), state
        crashing.expect((204, 304), "POST", "/containers/one/start")  # its port and address are free
        crashing.expect((204,), "POST", "/containers/one/kill")
    assert step > 8
    crashing.expect((204,), "DELETE", "/containers/one?force=1&v=1")
    crashing.nothing_left(step)


def test_at_each_step_of_a_removal(crashing: Crashing) -> None:
    for step in range(1, 100):
        crashing.expect((201,), "POST", "/containers/create?name=one", BODY)
        crashing.expect((204,), "POST", "/containers/one/start")
        done = crashing.survives(step, "DELETE", "/containers/one?force=1&v=1")
        crashing.agree(step)
        crashing.expect((204, 404), "DELETE", "/containers/one?force=1&v=1")
        crashing.nothing_left(step)
        if done:
            assert step > 8
            return
