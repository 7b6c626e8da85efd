"""Which capabilities a container has: docker's rules for --cap-add, --cap-drop, --privileged."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from engine.container.defaults import ALL_CAPABILITIES, DEFAULT_CAPABILITIES
from engine.errdefs import InvalidParameter

_KNOWN = frozenset(ALL_CAPABILITIES)
_ALL = "ALL"


def normalize(names: Sequence[str], option: str) -> list[str]:
    """Names as the kernel writes them: "net_admin" → "CAP_NET_ADMIN"; "ALL" stays.

    option: the API's member, for the message. Raises InvalidParameter for an unknown name.
    """
    result = []
    for name in names:
        upper = name.upper()
        if upper in (_ALL, "CAP_ALL"):
            result.append(_ALL)
            continue
        full = upper if upper.startswith("CAP_") else f"CAP_{upper}"
        if full not in _KNOWN:
            raise InvalidParameter(f'invalid {option}: unknown capability: "{full}"')
        result.append(full)
    return result


def effective(
    add: Sequence[str], drop: Sequence[str], *, privileged: bool, available: Collection[str] | None
) -> list[str]:
    """The bounding set of a container.

    Adding ALL starts from everything and takes the drops away; dropping ALL leaves just what is
    added; else the adds and drops change the default set. available: what this daemon may give
    (its own bounding set), None for no limit; what it lacks is left out silently, as `missing` lists it.
    """
    adds, drops = normalize(add, "CapAdd"), normalize(drop, "CapDrop")
    if privileged:
        wanted = list(ALL_CAPABILITIES)
    elif _ALL in adds:
        wanted = [cap for cap in ALL_CAPABILITIES if cap not in drops]
    elif _ALL in drops:
        wanted = [cap for cap in ALL_CAPABILITIES if cap in adds]
    else:
        wanted = [cap for cap in DEFAULT_CAPABILITIES if cap not in drops]
        wanted += [cap for cap in dict.fromkeys(adds) if cap not in wanted and cap not in drops]
    return [cap for cap in wanted if available is None or cap in available]


def missing(add: Sequence[str], available: Collection[str]) -> list[str]:
    """Capabilities asked for by name that this daemon cannot give; worth a warning at create."""
    return [cap for cap in normalize(add, "CapAdd") if cap != _ALL and cap not in available]


def from_mask(mask: int) -> frozenset[str]:
    """A capability mask of /proc/<pid>/status (``CapBnd``) as names; numbers we don't know are left out."""
    return frozenset(cap for number, cap in enumerate(ALL_CAPABILITIES) if mask >> number & 1)


def for_process(bounding: Sequence[str], *, root: bool) -> dict[str, Any]:
    """The OCI `process.capabilities`: root starts with all of its bounding set, others with none.

    The inheritable set stays empty: a set-user-id program would else gain from it (CVE-2022-24769).
    """
    if root:
        return {"bounding": [*bounding], "effective": [*bounding], "permitted": [*bounding]}
    return {"bounding": [*bounding]}
