"""`include`: another project's files as a part of this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from compose.errors import FileInvalid

Tree = dict[str, Any]

SECTIONS = ("services", "networks", "volumes", "secrets", "configs", "models")


@dataclass(frozen=True, slots=True)
class Included:
    """What an entry of `include` brought: its first file, for messages, and its tree."""

    file: str
    tree: Tree


def include(base: Tree, including: Tree, included: Included) -> Tree:
    """`base` with what was included.

    Nothing may be defined twice: a name that `base`, or the document that includes, has too is an
    error unless both say the same. Raises FileInvalid.
    """
    result = dict(base)
    for section in SECTIONS:
        brought = included.tree.get(section)
        if not brought:
            continue
        for name, body in brought.items():
            for own in (base, including):
                known = (own.get(section) or {}).get(name)
                if known is not None and known != body:
                    raise FileInvalid(
                        f"conflicts with the resource imported from {included.file}", path=(section, name)
                    )
        result[section] = {**brought, **(base.get(section) or {})}
    return result
