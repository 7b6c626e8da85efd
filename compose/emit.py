"""Plain values → YAML or JSON text that is the same, byte for byte, for equal values.

Written here because PyYAML's dumper takes longer than loading the project did, and its line
folding changes with the content.
"""

from __future__ import annotations

import json
import re
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_/$][A-Za-z0-9_./${}@+=-]*(?:[ :][A-Za-z0-9_./${}@+=-]+)*\Z")
_RESERVED = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


def to_yaml(value: Any) -> str:
    """Block style, two spaces. Keys of mappings are sorted, but those inside lists keep their order."""
    lines: list[str] = []
    _block(value, 0, lines, ordered=True)
    return "\n".join(lines) + "\n"


def to_json(value: Any) -> str:
    """Indented, keys sorted."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _block(value: Any, indent: int, lines: list[str], *, ordered: bool) -> None:
    pad = " " * indent
    if isinstance(value, dict):
        items = sorted(value.items()) if ordered else value.items()
        for key, item in items:
            _entry(f"{pad}{_scalar(key)}:", item, indent, lines, ordered=ordered)
        return
    for item in value:
        if isinstance(item, (dict, list)) and item:
            inner: list[str] = []
            _block(item, indent + 2, inner, ordered=False)
            inner[0] = f"{pad}- {inner[0][indent + 2 :]}"
            lines.extend(inner)
        else:
            lines.append(f"{pad}- {_flow(item)}")


def _entry(head: str, item: Any, indent: int, lines: list[str], *, ordered: bool) -> None:
    if isinstance(item, (dict, list)) and item:
        lines.append(head)
        _block(item, indent + 2, lines, ordered=ordered)
    else:
        lines.append(f"{head} {_flow(item)}")


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list):
        return "[]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value)
    text = str(value)
    if _PLAIN.match(text) and text.lower() not in _RESERVED and not text.endswith(":") and ": " not in text:
        return text
    return json.dumps(text, ensure_ascii=False)
