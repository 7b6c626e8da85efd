"""Where an engine is and how to be believed there: host URLs, TLS files, DOCKER_* variables."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from engine.errdefs import InvalidParameter

DEFAULT_HOST = "unix:///run/pydocker.sock"


@dataclass(frozen=True, slots=True)
class TLSConfig:
    """PEM files. verify: check the server's certificate against `ca` (or the system's CAs)."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    verify: bool = True

    @classmethod
    def from_directory(cls, directory: Path, *, verify: bool = True) -> TLSConfig:
        """docker's layout: ca.pem, cert.pem, key.pem."""
        return cls(directory / "ca.pem", directory / "cert.pem", directory / "key.pem", verify)

    def context(self) -> ssl.SSLContext:
        """A client context, TLS 1.2 or newer; InvalidParameter names the file that can't be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.ca is None:
            context.load_default_certs()
        else:
            _load("CA certificate", self.ca, lambda path: context.load_verify_locations(path))
        if self.cert is not None:
            key = str(self.key) if self.key else None
            _load("client certificate", self.cert, lambda path: context.load_cert_chain(path, key))
        return context


def _load(what: str, path: Path, read: object) -> None:
    assert callable(read)
    try:
        read(str(path))
    except (OSError, ssl.SSLError) as exc:
        raise InvalidParameter(f"could not load {what} {path}: {exc.strerror or exc}") from exc


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A parsed host: `unix` with a path, or `tcp` with host and port; `secure` means TLS."""

    scheme: str
    path: str = ""
    host: str = ""
    port: int = 0
    tls: TLSConfig | None = None

    @property
    def base_url(self) -> str:
        """What HTTP requests are made to; for a unix socket the host part means nothing."""
        if self.scheme == "unix":
            return "http://docker"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.path}"
        return f"tcp://{self.host}:{self.port}"

    @classmethod
    def parse(cls, host: str, tls: TLSConfig | None = None) -> Endpoint:
        """``unix:///run/x.sock``, ``tcp://h:2375``, ``h:2375`` → Endpoint; else InvalidParameter."""
        text = host.strip()
        if text.startswith("/"):
            text = f"unix://{text}"
        if "://" not in text:
            text = f"tcp://{text}"
        parts = urlsplit(text)
        if parts.scheme == "unix":
            if not parts.path:
                raise InvalidParameter(
                    f"invalid host {host!r}: a unix host needs a path, as in {DEFAULT_HOST}"
                )
            return cls("unix", path=parts.path)
        if parts.scheme not in {"tcp", "http", "https"}:
            raise InvalidParameter(f"invalid host {host!r}: expected unix://PATH or tcp://HOST:PORT")
        try:
            port = parts.port
        except ValueError as exc:
            raise InvalidParameter(f"invalid host {host!r}: {exc}") from exc
        if not parts.hostname:
            raise InvalidParameter(f"invalid host {host!r}: the host name is missing")
        if parts.scheme == "https" and tls is None:
            tls = TLSConfig()
        return cls("tcp", host=parts.hostname, port=port or (2376 if tls else 2375), tls=tls)


def endpoint_from_env(environ: Mapping[str, str] | None = None, *, host: str | None = None) -> Endpoint:
    """The endpoint that `host`, else DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH name."""
    env = os.environ if environ is None else environ
    cert_path = env.get("DOCKER_CERT_PATH", "")
    verify = env.get("DOCKER_TLS_VERIFY", "") != ""
    tls = None
    if verify or env.get("DOCKER_TLS", "") not in {"", "0", "false"}:
        directory = Path(cert_path) if cert_path else Path.home() / ".docker"
        tls = TLSConfig.from_directory(directory, verify=verify)
    return Endpoint.parse(host or env.get("DOCKER_HOST") or DEFAULT_HOST, tls)
