"""What registries answer when they refuse, in docker's words.

A registry's error body is {"errors": [{"code", "message", "detail"}]} (OCI distribution spec, "Error Codes").
"""

from __future__ import annotations

import json
import socket
import ssl

import aiohttp

from engine.errdefs import DockyardError, NotFound, SystemFailure, Unauthorized


class RegistryError(SystemFailure):
    """A registry's refusal. code: its first error code ("" if it sent none); status: of the HTTP answer."""

    def __init__(self, message: str, *, code: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Unreachable(SystemFailure):
    """No answer at all: another endpoint may do better."""


# what a status says where the answer has no body to say it, as to a HEAD request
_BARE = {
    401: ("UNAUTHORIZED", "unauthorized: authentication required"),
    403: ("DENIED", "denied: requested access to the resource is denied"),
    429: ("TOOMANYREQUESTS", "toomanyrequests: the registry asks for fewer requests; try again later"),
}


def refusal(status: int, body: bytes) -> RegistryError:
    """An HTTP answer that is an error."""
    try:
        errors = json.loads(body).get("errors") or []
        texts = [_text(error) for error in errors]
        code = str(errors[0].get("code", "")) if errors else ""
    except (ValueError, AttributeError, TypeError):
        texts, code = [], ""
    if not texts:
        code, text = _BARE.get(status, ("", f"received unexpected HTTP status: {status}"))
        texts = [text]
    return RegistryError("; ".join(texts), code=code, status=status)


def _text(error: dict[str, object]) -> str:
    label = str(error.get("code", "unknown")).lower().replace("_", " ")
    return f"{label}: {error.get('message', '')}"


def pull_error(exc: RegistryError, familiar_name: str, familiar: str) -> DockyardError:
    """A refusal as `docker pull` reports it."""
    if exc.code == "MANIFEST_UNKNOWN":
        return NotFound(f"manifest for {familiar} not found: {exc}")
    if exc.code in ("DENIED", "UNAUTHORIZED"):
        return NotFound(
            f"pull access denied for {familiar_name}, repository does not exist "
            f"or may require 'docker login': {exc}"
        )
    if exc.code == "NAME_UNKNOWN":
        return NotFound(f"repository {familiar_name} not found: {exc}")
    if exc.status == 404:
        return NotFound(f"manifest for {familiar} not found: {exc}")
    return exc


def push_error(exc: RegistryError) -> DockyardError:
    """A refusal as `docker push` reports it."""
    return Unauthorized(str(exc)) if exc.code == "UNAUTHORIZED" else exc


def unreachable(url: str, exc: Exception) -> Unreachable:
    """A failed connection, worded as docker's clients know it."""
    return Unreachable(f'Get "{url}": {_reason(exc)}')


def _reason(exc: Exception) -> str:
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {exc.host}: {_lookup(exc.os_error)}"
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        return f"tls: failed to verify certificate: x509: {exc.certificate_error}"
    if isinstance(exc, aiohttp.ClientConnectorSSLError):
        if _is_plain_http(exc.os_error):
            return "http: server gave HTTP response to HTTPS client"
        return f"tls: {exc.os_error}"
    if isinstance(exc, aiohttp.ClientConnectorError):
        reason = (exc.os_error.strerror or str(exc.os_error)).lower()
        if "connect call failed" in reason or exc.os_error.errno == 111:
            reason = "connection refused"
        host = "127.0.0.1" if exc.host == "localhost" else exc.host
        return f"dial tcp {host}:{exc.port}: connect: {reason}"
    if isinstance(exc, TimeoutError):
        return "net/http: request canceled while waiting for connection (Client.Timeout exceeded)"
    return str(exc) or type(exc).__name__


def _is_plain_http(exc: OSError) -> bool:
    return isinstance(exc, ssl.SSLError) and exc.reason in (
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "RECORD_LAYER_FAILURE",
    )


def _lookup(exc: OSError) -> str:
    temporary = isinstance(exc, socket.gaierror) and exc.errno == socket.EAI_AGAIN
    return "Temporary failure in name resolution" if temporary else "no such host"
