"""Signals as clients name them: ``SIGTERM``, ``TERM``, ``term``, ``15``, ``RTMIN+3``."""

from __future__ import annotations

import re
import signal

from engine.errdefs import InvalidParameter

_RTMIN, _RTMAX = 34, 64  # glibc keeps 32 and 33 for itself; the API counts as glibc does

_NAMES = {one.name.removeprefix("SIG"): int(one) for one in signal.Signals}
_NAMES |= {"CLD": int(signal.SIGCHLD), "POLL": int(signal.SIGIO), "RTMIN": _RTMIN, "RTMAX": _RTMAX}
_REALTIME = re.compile(r"(RTMIN\+|RTMAX-)(\d{1,2})")


def parse(text: str) -> int:
    """The number; InvalidParameter for what is no signal of Linux."""
    raw = text.strip()
    if raw.isdigit() and 1 <= int(raw) <= _RTMAX:
        return int(raw)
    name = raw.upper().removeprefix("SIG")
    if name in _NAMES:
        return _NAMES[name]
    if match := _REALTIME.fullmatch(name):
        number = _RTMIN + int(match[2]) if match[1] == "RTMIN+" else _RTMAX - int(match[2])
        if _RTMIN <= number <= _RTMAX:
            return number
    raise InvalidParameter(f"Invalid signal: {text}")
