"""API versions we speak, and their negotiation.

A client asks for `/v1.41/...`; a path without a prefix means the newest. Source: Engine API
reference, section "Versioning".
"""

from __future__ import annotations

from engine.errdefs import InvalidParameter

API_VERSION = "1.50"
MIN_API_VERSION = "1.24"
ENGINE_VERSION = "0.1.0"


def parse(version: str) -> tuple[int, int]:
    """``"1.41"`` → ``(1, 41)``; InvalidParameter if it is not a version."""
    major, dot, minor = version.partition(".")
    if not (dot and major.isdigit() and minor.isdigit()):
        raise InvalidParameter(f"invalid API version: {version}")
    return int(major), int(minor)


def negotiate(requested: str | None) -> tuple[int, int]:
    """The version to answer in, or InvalidParameter with the words docker's clients know."""
    if requested is None:
        return parse(API_VERSION)
    wanted = parse(requested)
    if wanted < parse(MIN_API_VERSION):
        raise InvalidParameter(
            f"client version {requested} is too old. Minimum supported API version is "
            f"{MIN_API_VERSION}, please upgrade your client to a newer version"
        )
    if wanted > parse(API_VERSION):
        raise InvalidParameter(
            f"client version {requested} is too new. Maximum supported API version is {API_VERSION}"
        )
    return wanted
