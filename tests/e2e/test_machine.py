"""`pymachine create -d generic` against OpenSSH's sshd, and the real docker CLI over the TLS it sets up."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.cluster.lab import Host, Wire
from tests.harness.engines import PYDOCKER, Docker, busybox_tar
from tests.harness.sshd import SshHost, ssh_host

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    here = Host.boot("laptop")
    wire = Wire("wire0", "10.213.40.1/24", inside=here)
    try:
        wire.lay()
        with ssh_host(tmp_path_factory.mktemp("ssh"), here, wire, "10.213.40.11/24") as host:
            yield host
    finally:
        here.shut_down()


class Pymachine:
    """The command line, run on the user's side of the wire."""

    def __init__(self, remote: SshHost, store: Path) -> None:
        self._remote = remote
        self.store = store

    def __call__(self, *args: str, code: int = 0, input: str | None = None) -> str:
        command = self._remote.client.enter(
            str(PYDOCKER.with_name("pymachine")), "-s", str(self.store), *args
        )
        done = subprocess.run(
            command, capture_output=True, text=True, input=input or "", timeout=240, check=False,
            env={**os.environ, "SHELL": "/bin/bash"},
        )  # fmt: skip
        assert done.returncode == code, f"{args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout if code == 0 else done.stdout + done.stderr

    def create(self, name: str, *options: str, code: int = 0) -> str:
        return self(
            "create", "-d", "generic", "--generic-ip-address", self._remote.ip, *options, name, code=code
        )


@pytest.fixture(scope="module")
def pymachine(remote: SshHost, tmp_path_factory: pytest.TempPathFactory) -> Pymachine:
    """The command line, with the machine web1 made."""
    machine = Pymachine(remote, tmp_path_factory.mktemp("store"))
    said = machine.create("web1", "--generic-ssh-key", str(remote.key), "--engine-label", "zone=a")
    assert "is up and running!" in said
    return machine


def docker(remote: SshHost, pymachine: Pymachine) -> Docker:
    directory = pymachine.store / "machines/web1"
    return Docker(
        f"tcp://{remote.ip}:2376", "--tlsverify", f"--tlscacert={directory}/ca.pem",
        f"--tlscert={directory}/cert.pem", f"--tlskey={directory}/key.pem", enter=remote.client,
    )  # fmt: skip


def test_the_docker_cli_reaches_the_engine_over_mutual_tls(remote: SshHost, pymachine: Pymachine) -> None:
    assert docker(remote, pymachine)("version", "--format", "{{.Server.Version}}") == "0.1.0"
    labels = json.loads(docker(remote, pymachine)("info", "--format", "{{json .Labels}}"))
    assert {"zone=a", "provider=generic"} <= set(labels)


def test_a_client_without_a_certificate_gets_nowhere(remote: SshHost, pymachine: Pymachine) -> None:
    ca = pymachine.store / "machines/web1/ca.pem"
    stranger = Docker(
        f"tcp://{remote.ip}:2376", "--tls", "--tlsverify", f"--tlscacert={ca}", enter=remote.client
    )
    assert stranger.try_("version").returncode == 1
    plain = Docker(f"tcp://{remote.ip}:2376", enter=remote.client)
    assert plain.try_("version").returncode == 1


def test_a_container_runs_on_the_machine(remote: SshHost, pymachine: Pymachine) -> None:
    client = docker(remote, pymachine)
    client("import", "-", "busybox", input=busybox_tar())
    assert client("run", "--rm", "busybox", "echo", "over tls") == "over tls"
    assert client("run", "--rm", "-i", "busybox", "wc", "-c", input=b"x" * 300_000).split() == ["300000"]


def test_the_environment_printed_for_a_shell_works_in_it(remote: SshHost, pymachine: Pymachine) -> None:
    script = f'eval "$({PYDOCKER.with_name("pymachine")} -s {pymachine.store} env web1)"; docker version'
    done = subprocess.run(
        remote.client.enter("bash", "-c", script), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Server" in done.stdout


def test_the_machine_is_listed_and_described(remote: SshHost, pymachine: Pymachine) -> None:
    row = json.loads(pymachine("ls", "--format", "json"))
    assert (row["Name"], row["State"], row["DockerVersion"], row["Error"]) == (
        "web1",
        "Running",
        "v0.1.0",
        "",
    )
    assert pymachine("ip", "web1").strip() == remote.ip
    assert pymachine("status", "web1").strip() == "Running"
    assert pymachine("url", "web1").strip() == f"tcp://{remote.ip}:2376"
    assert pymachine("inspect", "-f", "{{.Driver.SSHUser}}", "web1").strip() == "root"


def test_ssh_carries_output_input_and_the_exit_code(pymachine: Pymachine) -> None:
    assert pymachine("ssh", "web1", "echo out; cat", input="typed") == "out\ntyped"
    pymachine("ssh", "web1", "exit 7", code=7)


def test_a_taken_name_is_refused(remote: SshHost, pymachine: Pymachine) -> None:
    assert "already exists" in pymachine.create("web1", "--generic-ssh-key", str(remote.key), code=1)


def test_a_host_with_another_key_is_refused(pymachine: Pymachine) -> None:
    known = pymachine.store / "machines/web1/known_hosts"
    recorded = known.read_bytes()
    address, kind, _ = recorded.split()
    other = b"AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    try:
        known.write_bytes(b" ".join([address, kind, other]) + b"\n")
        assert "host key" in pymachine("ssh", "web1", "true", code=1)
        assert "host key" in pymachine("provision", "web1", code=1)
    finally:
        known.write_bytes(recorded)


def test_an_unreachable_host_is_reported_and_can_be_removed(remote: SshHost, pymachine: Pymachine) -> None:
    said = pymachine("create", "-d", "generic", "--generic-ip-address", remote.ip, "--generic-ssh-port", "9",
                     "--timeout", "1", "gone", code=1)  # fmt: skip
    assert "cannot reach" in said
    assert "pymachine rm gone" in said
    pymachine("rm", "-y", "gone")
    assert pymachine("ls", "-q").split() == ["web1"]


def test_a_key_that_is_none_is_reported(tmp_path: Path, pymachine: Pymachine) -> None:
    (tmp_path / "key").write_text("not a key")
    said = pymachine.create("bad", "--generic-ssh-key", str(tmp_path / "key"), code=1)
    assert "can not be used" in said
    pymachine("rm", "-f", "bad")
