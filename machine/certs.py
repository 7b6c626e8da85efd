"""The certificates between a user and their machines.

One authority and one client certificate a storage path, one server certificate a machine. Valid from
five minutes ago (clocks differ) for 1080 days, as docker-machine has it. Keys are RSA 2048.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from engine.errdefs import SystemFailure
from machine.store import write_private

VALID = timedelta(days=1080)
SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    def write(self, certificate: Path, key: Path) -> None:
        """Store both as PEM."""
        write_private(certificate, self.certificate.public_bytes(serialization.Encoding.PEM))
        write_private(
            key,
            self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            ),
        )


def _name(organisation: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _issue(
    subject: x509.Name,
    issuer: Pair | None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
) -> Pair:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    authority = issuer.key.public_key() if issuer else key.public_key()
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), critical=False
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return Pair(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def authority(organisation: str) -> Pair:
    """A new certificate authority."""
    return _issue(
        _name(organisation, "Dockyard CA"),
        None,
        [(x509.BasicConstraints(ca=True, path_length=0), True), (_usage(signs_certificates=True), True)],
    )


def client(ca: Pair, organisation: str) -> Pair:
    """A certificate that proves a user."""
    return _issue(
        _name(organisation, "client"),
        ca,
        [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(signs_certificates=False), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        ],
    )


def server(ca: Pair, organisation: str, names: Iterable[str]) -> Pair:
    """A certificate that proves an engine. names: host names and addresses it is reached by."""
    return _issue(
        _name(organisation, "engine"),
        ca,
        [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(signs_certificates=False), True),
            (
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                False,
            ),
            (x509.SubjectAlternativeName([_san(name) for name in dict.fromkeys(names)]), False),
        ],
    )


def _san(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def load(certificate: Path, key: Path) -> Pair:
    """Read a pair back; SystemFailure names the file that can't be used."""
    try:
        loaded = serialization.load_pem_private_key(key.read_bytes(), password=None)
        cert = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as exc:
        raise SystemFailure(f"cannot use the certificate {certificate} and its key {key}: {exc}") from exc
    if not isinstance(loaded, rsa.RSAPrivateKey):
        raise SystemFailure(f"the key {key} is not an RSA key")
    return Pair(cert, loaded)


def bootstrap(directory: Path, organisation: str) -> Pair:
    """The authority in `directory`, made with a client certificate if there is none yet."""
    paths = {name: directory / f"{name}.pem" for name in ("ca", "ca-key", "cert", "key")}
    if not (paths["ca"].exists() and paths["ca-key"].exists()):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority(organisation).write(paths["ca"], paths["ca-key"])
        paths["cert"].unlink(missing_ok=True)
    ca = load(paths["ca"], paths["ca-key"])
    if not (paths["cert"].exists() and paths["key"].exists()):
        client(ca, organisation).write(paths["cert"], paths["key"])
    return ca
