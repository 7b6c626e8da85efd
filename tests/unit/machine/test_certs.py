"""Certificates that a TLS stack other than ours accepts."""

from __future__ import annotations

import ssl
import stat
import threading
from pathlib import Path

import pytest

from engine.errdefs import SystemFailure
from machine import certs


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("certs")
    ca = certs.bootstrap(path, "test")
    certs.server(ca, "test", ["web1", "10.0.0.5", "10.0.0.5"]).write(
        path / "server.pem", path / "server-key.pem"
    )
    return path


def _handshake(directory: Path, name: str, *, client_certificate: bool = True) -> None:
    """A mutual TLS handshake in memory; raises what the client's or the server's stack raises."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(directory / "server.pem", directory / "server-key.pem")
    server_side.load_verify_locations(directory / "ca.pem")
    server_side.verify_mode = ssl.CERT_REQUIRED
    client_side = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    if client_certificate:
        client_side.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(6):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass


@pytest.mark.parametrize("name", ["web1", "10.0.0.5"])
def test_each_name_and_address_is_accepted(directory: Path, name: str) -> None:
    _handshake(directory, name)


def test_another_name_is_refused(directory: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(directory, "web2")


def test_a_client_without_certificate_is_refused(directory: Path) -> None:
    with pytest.raises(ssl.SSLError):
        _handshake(directory, "web1", client_certificate=False)


def test_all_files_are_private(directory: Path) -> None:
    for path in directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_authority_is_made_once(directory: Path) -> None:
    before = (directory / "ca.pem").read_bytes()
    certs.bootstrap(directory, "test")
    assert (directory / "ca.pem").read_bytes() == before


def test_a_damaged_key_is_named(tmp_path: Path, directory: Path) -> None:
    (tmp_path / "key").write_text("not a key")
    with pytest.raises(SystemFailure, match="cannot use the certificate"):
        certs.load(directory / "ca.pem", tmp_path / "key")


def test_many_may_be_issued_at_once(directory: Path) -> None:
    ca = certs.bootstrap(directory, "test")
    serials: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: serials.append(certs.server(ca, "t", ["x"]).certificate.serial_number)
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(serials)) == 4
