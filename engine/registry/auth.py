"""Credentials, challenges and tokens (docker's token authentication; RFC 7235 for the header)."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from engine.errdefs import InvalidParameter


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a user gave for a registry.

    identity_token replaces the password; registry_token is sent as it is.
    """

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""
    server: str = ""

    def __bool__(self) -> bool:
        return bool(self.username or self.identity_token or self.registry_token)

    def __repr__(self) -> str:  # never a password in a log
        return f"Credentials(username={self.username!r}, server={self.server!r})"

    @property
    def basic(self) -> str:
        """The Authorization header's value for Basic."""
        raw = f"{self.username}:{self.password}".encode()
        return "Basic " + base64.b64encode(raw).decode()


ANONYMOUS = Credentials()


def parse_header(value: str | None) -> Credentials:
    """The X-Registry-Auth header: base64url of a JSON object. Nonsense is InvalidParameter; "" is nobody."""
    if not value:
        return ANONYMOUS
    try:
        standard = value.replace("-", "+").replace("_", "/")
        document = json.loads(base64.b64decode(standard + "=" * (-len(standard) % 4)))
    except (ValueError, binascii.Error) as exc:
        raise InvalidParameter("invalid X-Registry-Auth header: not base64url-encoded JSON") from exc
    return from_document(document)


def from_document(document: Any) -> Credentials:
    """The API's AuthConfig object (also the body of POST /auth)."""
    if not isinstance(document, dict):
        raise InvalidParameter("invalid registry credentials: expected a JSON object")
    text = {key.lower(): value for key, value in document.items() if isinstance(value, str)}
    username, password = text.get("username", ""), text.get("password", "")
    if not username and text.get("auth"):
        try:
            username, _, password = base64.b64decode(text["auth"]).decode().partition(":")
        except (ValueError, binascii.Error) as exc:
            raise InvalidParameter("invalid registry credentials: auth is not base64") from exc
    return Credentials(
        username, password, text.get("identitytoken", ""), text.get("registrytoken", ""),
        text.get("serveraddress", ""),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Challenge:
    """One WWW-Authenticate challenge; scheme in lower case."""

    scheme: str
    parameters: dict[str, str]


_PARAMETER = re.compile(r'([a-zA-Z_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*,?\s*')


def parse_challenge(value: str) -> Challenge | None:
    """A WWW-Authenticate header's value; None if it is malformed."""
    scheme, _, rest = value.strip().partition(" ")
    if not scheme:
        return None
    found: dict[str, str] = {}
    at, rest = 0, rest.strip()
    while at < len(rest):
        match = _PARAMETER.match(rest, at)
        if match is None:
            return None
        quoted, plain = match[2], match[3]
        found[match[1].lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
        at = match.end()
    return Challenge(scheme.lower(), found)


def token_of(document: Any) -> str:
    """The token in a token server's answer, under either of its names; "" if there is none."""
    if not isinstance(document, dict):
        return ""
    found = document.get("token") or document.get("access_token") or ""
    return found if isinstance(found, str) else ""
