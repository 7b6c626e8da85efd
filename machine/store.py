"""Machines and certificates on disk, in docker-machine's layout.

    <storage>/certs/{ca,ca-key,cert,key}.pem
    <storage>/machines/<name>/config.json, {ca,cert,key,server,server-key}.pem, id_rsa, known_hosts

Files are written under another name and renamed, mode 0600; directories are 0700.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from engine.errdefs import Conflict, NotFound, SystemFailure
from machine.host import Machine, Record, check_name


def default_path() -> Path:
    """$MACHINE_STORAGE_PATH, else docker-machine's own."""
    given = os.environ.get("MACHINE_STORAGE_PATH")
    return Path(given) if given else Path.home() / ".docker" / "machine"


def write_private(path: Path, content: bytes) -> None:
    """Write a file that nobody else may read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


class Store:
    """The machines below one storage path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.certs = path / "certs"
        self._machines = path / "machines"

    def directory(self, name: str) -> Path:
        """A machine's own directory."""
        return self._machines / name

    def exists(self, name: str) -> bool:
        """Whether a machine of that name is recorded."""
        return (self.directory(name) / "config.json").exists()

    def add(self, record: Record) -> Machine:
        """Make a new machine's directory and record; Conflict if the name is taken."""
        check_name(record.name)
        if self.exists(record.name):
            raise Conflict(f'Docker machine "{record.name}" already exists')
        directory = self.directory(record.name)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        machine = Machine(record, directory)
        self.save(machine)
        return machine

    def save(self, machine: Machine) -> None:
        """Write the record, with what the driver learnt."""
        machine.record.driver = machine.driver.state
        content = msgspec.json.format(msgspec.json.encode(machine.record), indent=4)
        write_private(machine.directory / "config.json", content)

    def load(self, name: str) -> Machine:
        """A machine by name; NotFound with the original's words."""
        directory = self.directory(name)
        try:
            content = (directory / "config.json").read_bytes()
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise NotFound(
                f'Docker machine "{name}" does not exist. Use "pymachine ls" to list machines.'
            ) from exc
        try:
            record = msgspec.json.decode(content, type=Record)
        except msgspec.DecodeError as exc:
            raise SystemFailure(
                f"the record of machine {name!r} is damaged ({directory}/config.json): {exc}"
            ) from exc
        return Machine(record, directory)

    def names(self) -> list[str]:
        """All machines, sorted."""
        if not self._machines.is_dir():
            return []
        return sorted(entry.name for entry in self._machines.iterdir() if (entry / "config.json").exists())

    def remove(self, name: str) -> None:
        """Delete a machine's directory."""
        shutil.rmtree(self.directory(name), ignore_errors=True)
