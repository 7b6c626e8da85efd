"""Sockets: whose they are, what becomes of old ones, and who may come in over TLS."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import stat
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.daemon.config import DaemonConfig
from engine.daemon.engine import Engine
from engine.errdefs import Conflict, InvalidParameter, SystemFailure
from engine.server import system
from engine.server.app import Api
from engine.server.listen import TcpAddress, UnixAddress, listen, parse, start, tls_context, unix_socket


@pytest.mark.parametrize(
    ("host", "tls", "address"),
    [
        ("unix:///run/x.sock", False, UnixAddress(Path("/run/x.sock"))),
        ("tcp://0.0.0.0:1234", False, TcpAddress("0.0.0.0", 1234)),
        ("tcp://1.2.3.4", False, TcpAddress("1.2.3.4", 2375)),
        ("tcp://1.2.3.4", True, TcpAddress("1.2.3.4", 2376)),
        ("tcp://:2375", False, TcpAddress("127.0.0.1", 2375)),
        ("tcp://", False, TcpAddress("127.0.0.1", 2375)),
        ("tcp://[::1]:99", False, TcpAddress("::1", 99)),
        ("tcp://[::1]", False, TcpAddress("::1", 2375)),
    ],
)
def test_addresses(host: str, tls: bool, address: object) -> None:
    assert parse(host, tls=tls) == address


@pytest.mark.parametrize("host", ["tcp://x:y", "tcp://x:70000", "udp://x"])
def test_bad_addresses(host: str) -> None:
    with pytest.raises(InvalidParameter, match="Invalid bind address format"):
        parse(host, tls=False)


def test_a_unix_socket_is_for_its_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "api.sock"
    unix_socket(path, "").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_a_socket_nobody_answers_on_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    unix_socket(path, "").close()
    before = path.stat().st_ino
    unix_socket(path, "").close()
    assert path.stat().st_ino != before or path.is_socket()


def test_a_socket_that_answers_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with unix_socket(path, "") as sock:
        sock.listen()
        with pytest.raises(Conflict, match="another daemon answers there"):
            unix_socket(path, "")
        assert path.is_socket()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    path.write_text("precious")
    with pytest.raises(Conflict, match="no socket"):
        unix_socket(path, "")
    assert path.read_text() == "precious"


async def test_a_taken_port_opens_nothing(tmp_path: Path) -> None:
    taken = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    config = DaemonConfig(hosts=(f"unix://{tmp_path}/a.sock", f"tcp://127.0.0.1:{port}"))
    with pytest.raises(SystemFailure, match="address already in use"):
        await listen(config, asyncio.Protocol)
    taken.close()
    with pytest.raises(FileNotFoundError):
        await asyncio.open_unix_connection(str(tmp_path / "a.sock"))


class Authority:
    """A certificate authority and what it signs, as files in a directory."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test ca")])
        self.ca = self._sign("ca", self._key, self._name, ca=True)[0]

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._sign(name, key, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), ca=False)

    def _sign(
        self, name: str, key: ec.EllipticCurvePrivateKey, subject: x509.Name, *, ca: bool
    ) -> tuple[Path, Path]:
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        paths = self._directory / f"{name}.pem", self._directory / f"{name}-key.pem"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return paths


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


def client_context(authority: Authority, certificate: tuple[Path, Path] | None) -> ssl.SSLContext:
    """A client that trusts the authority, with a certificate or without."""
    context = ssl.create_default_context(cafile=str(authority.ca))
    if certificate:
        context.load_cert_chain(*certificate)
    return context


@pytest.mark.parametrize("who", ["signed", "stranger", "nobody"])
async def test_only_a_signed_client_comes_in(
    bare_engine: Engine, authority: Authority, tmp_path: Path, who: str
) -> None:
    certificate, key = authority.issue("server")
    config = DaemonConfig(
        hosts=("tcp://127.0.0.1:0",), tlsverify=True, tlscacert=authority.ca, tlscert=certificate, tlskey=key
    )
    clients = {
        "signed": authority.issue("client"),
        "stranger": Authority(tmp_path / "other").issue("client"),
        "nobody": None,
    }
    api = Api(bare_engine, system.ROUTES)
    (listener,) = await listen(config, api.server)
    await start(config, [listener])
    port = listener.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    try:
        context = client_context(authority, clients[who])
        async with aiohttp.ClientSession() as session:
            call = session.get(f"https://localhost:{port}/_ping", ssl=context)
            if who == "signed":
                async with call as response:
                    assert await response.text() == "OK"
            else:
                with pytest.raises((aiohttp.ClientError, ConnectionError)):
                    async with call as response:
                        await response.text()
    finally:
        listener.close()
        await api.stop(1.0)
        bare_engine.db.close()


def test_old_tls_is_not_spoken(authority: Authority) -> None:
    certificate, key = authority.issue("server")
    context = tls_context(DaemonConfig(tls=True, tlscert=certificate, tlskey=key))
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_NONE


def test_certificates_that_cannot_be_read_are_named(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("server")
    config = DaemonConfig(tlsverify=True, tlscert=certificate, tlskey=tmp_path / "nope")
    with pytest.raises(InvalidParameter, match=r"could not load X509 key pair .*nope"):
        tls_context(config)
    with pytest.raises(InvalidParameter, match="could not read CA certificate"):
        tls_context(replace(config, tlskey=key, tlscacert=tmp_path / "nope"))
