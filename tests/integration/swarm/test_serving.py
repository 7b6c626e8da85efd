"""Where and how the manager listens: TLS on both sides, plugins, the command itself."""

import asyncio
import datetime
import os
import signal
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from engine.client import DockerClient, TLSConfig
from engine.errdefs import InvalidParameter, SystemFailure, Unavailable
from swarm.cluster.config import ClusterConfig
from swarm.discovery import StaticDiscovery
from swarm.manage import ManagerConfig, running
from tests.integration.swarm.conftest import until
from tests.integration.swarm.fake import FakeEngine


def certificate(directory, name, issuer=None):
    """Write NAME.pem and NAME-key.pem, by the authority `issuer` (or of itself); (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer:
        import ipaddress

        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    made = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    (directory / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / f"{name}-key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return made, key


@pytest.fixture
def pki(tmp_path):
    authority = certificate(tmp_path, "ca")
    certificate(tmp_path, "cert", authority)
    certificate(tmp_path, "stranger")
    return tmp_path


async def test_tls_and_client_certificates_on_both_sides(pki):
    tls = TLSConfig(pki / "ca.pem", pki / "cert.pem", pki / "cert-key.pem")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki / "ca.pem"))
    server.load_cert_chain(pki / "cert.pem", pki / "cert-key.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    engine = FakeEngine("n1")
    await engine.start(server)
    config = ManagerConfig(ClusterConfig(tls=tls, ping_interval=0.25), ("tcp://127.0.0.1:0",), tls)
    try:
        async with running(config, StaticDiscovery([engine.addr])) as manager:
            await until(lambda: manager.cluster.view.healthy)
            async with DockerClient(manager.addresses[0], tls) as docker:
                await docker.container_create({"Image": "busybox"}, name="web")
                await docker.json("POST", "/containers/web/start")
                stream = await docker.hijack("POST", "/containers/web/attach")
                stream.writer.write(b"secret")
                assert await stream.demultiplex() == [(1, b"SECRET")]
                await stream.close()
            for bad in (
                TLSConfig(pki / "ca.pem"),
                TLSConfig(pki / "ca.pem", pki / "stranger.pem", pki / "stranger-key.pem"),
                None,
            ):
                async with DockerClient(manager.addresses[0], bad) as docker:
                    with pytest.raises(Unavailable):
                        await docker.ping(timeout=5)
    finally:
        await engine.stop()


async def test_files_and_addresses_that_cannot_be_used_are_named(pki):
    missing = TLSConfig(pki / "ca.pem", pki / "none.pem", pki / "none-key.pem")
    with pytest.raises(InvalidParameter, match=r"none\.pem"):
        async with running(
            ManagerConfig(ClusterConfig(), ("tcp://127.0.0.1:0",), missing), StaticDiscovery([])
        ):
            pass
    with pytest.raises(SystemFailure, match="cannot listen on"):
        async with running(ManagerConfig(ClusterConfig(), ("unix:///nowhere/x.sock",)), StaticDiscovery([])):
            pass
    with pytest.raises(InvalidParameter, match="filter 'nice' not supported"):
        async with running(ManagerConfig(ClusterConfig(filters=("nice",))), StaticDiscovery([])):
            pass


async def test_cors_headers_only_when_asked_for(tmp_path):
    for cors in (False, True):
        config = ManagerConfig(ClusterConfig(), (f"unix://{tmp_path}/s.sock",), cors=cors)
        async with running(config, StaticDiscovery([])), DockerClient(f"unix://{tmp_path}/s.sock") as docker:
            response = await docker.request("OPTIONS", "/info")
            assert ("Access-Control-Allow-Origin" in response.headers) is cors
            response.close()


async def test_attach_over_a_websocket(labs):
    lab = await labs("n1")
    await lab.run("web")
    port = lab.manager.addresses[1].rpartition(":")[2]
    url = f"http://127.0.0.1:{port}/v1.40/containers/web/attach/ws?stream=1"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.send_str("hello")
        assert (await socket.receive()).data == "HELLO"


async def test_the_command_serves_and_ends_at_a_signal(tmp_path):
    engine = FakeEngine("n1")
    await engine.start()
    socket = tmp_path / "swarm.sock"
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "pyswarm", "manage", "-H", f"unix://{socket}",
        env={"PATH": os.environ["PATH"], "SWARM_DISCOVERY": engine.addr},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await until(socket.exists)
        async with DockerClient(f"unix://{socket}") as docker:
            made = await docker.container_create({"Image": "busybox"}, name="web")
            assert made["Id"] in engine.containers, "the first request waits for the nodes"
            events = await docker.request("GET", "/events")
            process.send_signal(signal.SIGTERM)
            await events.read()
        assert await asyncio.wait_for(process.wait(), 20) == 0
        assert not socket.exists()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        await engine.stop()
