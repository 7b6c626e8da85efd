"""The text forms of sizes, durations, booleans and numbers in compose files."""

from __future__ import annotations

import re
from typing import Any

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgtp]?)i?b?\Z", re.IGNORECASE)
_EXPONENT = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h|d|w)")
_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_TRUE = {"true", "t", "yes", "y", "on", "1"}
_FALSE = {"false", "f", "no", "n", "off", "0"}


def parse_size(value: Any) -> int:
    """Bytes: 512, "512", "64k", "1.5g", "1gb". ValueError otherwise; -1 stays (no limit)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return int(value)
    text = str(value).strip()
    if text == "-1":
        return -1
    match = _SIZE.match(text)
    if not match:
        raise ValueError(f'invalid size: "{value}" (expected a number and b, k, m or g, as in "512m")')
    return int(float(match.group(1)) * 1024 ** _EXPONENT[match.group(2).lower()])


def parse_duration(value: Any) -> int:
    """Nanoseconds: "1m30s", "500ms", "0"; a bare number is seconds. ValueError otherwise."""
    text = str(value).strip()
    try:
        return int(float(text) * 1_000_000_000)
    except ValueError:
        pass
    total, at = 0.0, 0
    for match in _DURATION_PART.finditer(text):
        if match.start() != at:
            break
        total += float(match.group(1)) * _NANOSECONDS[match.group(2)]
        at = match.end()
    if not text or at != len(text):
        raise ValueError(f'invalid duration: "{value}" (expected numbers and units, as in "1m30s")')
    return int(total)


def format_duration(value: Any) -> str:
    """The shortest exact ``1h2m3s`` form."""
    rest = parse_duration(value)
    if rest == 0:
        return "0s"
    text = ""
    for unit in ("h", "m"):
        count, rest = divmod(rest, _NANOSECONDS[unit])
        text += f"{count}{unit}" if count or text else ""
    if rest % 1_000_000_000 and not text and rest < 1_000_000_000:
        return f"{rest / 1_000_000:g}ms"
    return text + f"{rest / 1_000_000_000:g}s"


def to_bool(value: Any) -> bool:
    """True and false in the spellings of YAML 1.1. ValueError otherwise."""
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f'must be true or false, got "{value}"')


def to_int(value: Any) -> int:
    """An integer, or its text (decimal, 0o…, 0x…). ValueError otherwise."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = str(value).strip()
    try:
        if text.isdigit() and len(text) > 1 and text[0] == "0":
            return int(text, 8)
        return int(text, 0)
    except ValueError as exc:
        raise ValueError(f'must be an integer, got "{value}"') from exc


def to_number(value: Any) -> int | float:
    """An integer or float, or its text. ValueError otherwise."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    try:
        number = float(str(value))
    except ValueError as exc:
        raise ValueError(f'must be a number, got "{value}"') from exc
    return int(number) if number.is_integer() else number


def scalar_text(value: Any) -> str:
    """How a YAML scalar reads as a string: true, 1, 1.5."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
