"""``--security-opt``, parsed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errdefs import InvalidParameter


@dataclass(frozen=True, slots=True)
class SecurityOptions:
    """HostConfig.SecurityOpt, parsed. seccomp: None for the default profile, "unconfined", or a profile."""

    no_new_privileges: bool = False
    seccomp: str | Mapping[str, Any] | None = None
    systempaths_unconfined: bool = False


def security_options(options: Sequence[str]) -> SecurityOptions:
    """Parse ``--security-opt``; raises InvalidParameter with docker's words for a malformed one."""
    no_new_privileges, systempaths = False, False
    seccomp: str | Mapping[str, Any] | None = None
    for option in options:
        if option == "no-new-privileges":
            no_new_privileges = True
            continue
        separator = "=" if "=" in option else ":"  # the colon is how it was written before 1.11
        key, found, value = option.partition(separator)
        if not found:
            raise InvalidParameter(f'invalid --security-opt 1: "{option}"')
        if key == "no-new-privileges":
            if value not in ("true", "false"):
                raise InvalidParameter(f'invalid --security-opt 2: "{option}"')
            no_new_privileges = value == "true"
        elif key == "seccomp":
            seccomp = _seccomp_option(value)
        elif key == "systempaths" and value == "unconfined":
            systempaths = True
        elif key not in ("apparmor", "label"):
            raise InvalidParameter(f'invalid --security-opt 2: "{option}"')
    return SecurityOptions(no_new_privileges, seccomp, systempaths)


def _seccomp_option(value: str) -> str | Mapping[str, Any] | None:
    if value == "builtin":
        return None
    if value == "unconfined":
        return value
    try:
        profile = json.loads(value)
    except ValueError as exc:
        raise InvalidParameter(f"Decoding seccomp profile failed: {exc}") from exc
    if not isinstance(profile, dict):
        raise InvalidParameter("Decoding seccomp profile failed: it is not a JSON object")
    return profile
