"""Run a scenario's command lines on one engine."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.compare.normalise import normalise


@dataclass(frozen=True)
class Scenario:
    """Command lines that stand in a row, one a line: `docker` is implied, `$` begins one of the shell's.

    Each runs in a directory of the side's own that lasts as long as the engine.
    """

    name: str
    script: str

    @property
    def lines(self) -> list[str]:
        """The command lines; a line that ends in a backslash goes on in the next one."""
        joined = self.script.replace("\\\n", " ")
        return [line.strip() for line in joined.splitlines() if line.strip()]


@dataclass(frozen=True)
class Outcome:
    """What one command line did."""

    line: str
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        text = f"> {self.line}\n"
        text += "".join(f"  {line}\n" for line in self.out.splitlines())
        text += "".join(f"! {line}\n" for line in self.err.splitlines())
        return text + (f"= {self.code}\n" if self.code else "")


@dataclass
class Side:
    """One of the two engines and the directory its commands run in."""

    host: str
    directory: Path
    places: dict[str, str]

    def run(self, line: str) -> Outcome:
        """Run a line by the shell, with DOCKER_HOST set."""
        command = line[1:] if line.startswith("$") else f"docker {line}"
        env = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "DOCKER_CONFIG": "/nonexistent",
            "DOCKER_HOST": self.host,
            "DOCKER_BUILDKIT": "0",
            "TZ": "UTC",
        }
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.directory, env=env, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        places = {**self.places, str(self.directory): "<dir>"}
        out, err = (normalise(text.decode("utf-8", "replace"), places) for text in (done.stdout, done.stderr))
        return Outcome(line, done.returncode, out, err)

    def play(self, scenario: Scenario) -> list[Outcome]:
        """Run all lines, then remove what containers and volumes there are."""
        self.directory.mkdir(parents=True, exist_ok=True)
        outcomes = [self.run(line) for line in scenario.lines]
        self.run("$docker ps -aq | xargs -r docker rm -fv; docker volume ls -q | xargs -r docker volume rm")
        return outcomes
