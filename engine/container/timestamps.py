"""Points in time as the API writes and reads them. Inside, a time is whole nanoseconds since the epoch, UTC.

Go's zero time stands for "never" on the wire; inside that is 0.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, timezone

from engine.errdefs import InvalidParameter

ZERO = "0001-01-01T00:00:00Z"
SECOND = 1_000_000_000

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9})\d*)?)?)?)?(Z|z|[+-]\d\d:\d\d)?"
)
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}


def now() -> int:
    """The time, in nanoseconds since the epoch."""
    return time.time_ns()


def rfc3339nano(ns: int) -> str:
    """RFC 3339 in UTC with as many digits of the fraction as are not trailing zeros; 0 gives `ZERO`."""
    if ns == 0:
        return ZERO
    seconds, fraction = divmod(ns, SECOND)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{fraction:09d}".rstrip("0").rstrip(".") + "Z"


def rfc3339nano_fixed(ns: int) -> str:
    """The same with all nine digits, as `docker logs -t` aligns its lines."""
    seconds, fraction = divmod(ns, SECOND)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{fraction:09d}Z"


def parse_duration(text: str) -> int:
    """``"1h30m"`` → nanoseconds. InvalidParameter if it is not a duration as Go writes them."""
    sign, body = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    if body == "0":
        return 0
    total, position = 0.0, 0
    for match in _DURATION.finditer(body):
        if match.start() != position:
            break
        total += float(match[1]) * _UNITS[match[2]]
        position = match.end()
    if not body or position != len(body):
        raise InvalidParameter(f'time: invalid duration "{text}"')
    return sign * round(total)


def parse(text: str, *, at: int | None = None) -> int:
    """A time as clients give it in `since` and `until`; "" and "0" give 0.

    Unix seconds with an optional fraction, a date or date and time (local where no zone is given, as
    docker has it), or a duration before `at` (now).
    """
    if text in ("", "0"):
        return 0
    if re.fullmatch(r"\d+(\.\d{1,9})?", text):
        seconds, _, fraction = text.partition(".")
        return int(seconds) * SECOND + int((fraction or "0").ljust(9, "0"))
    match = _RFC3339.fullmatch(text)
    if match is None:
        try:
            return (now() if at is None else at) - parse_duration(text)
        except InvalidParameter as exc:
            raise InvalidParameter(f'failed to parse value as time or duration: "{text}"') from exc
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            tzinfo=_zone(zone),
        )
    except ValueError as exc:
        raise InvalidParameter(f'failed to parse value as time or duration: "{text}"') from exc
    return int(moment.timestamp()) * SECOND + int((fraction or "0").ljust(9, "0"))


def _zone(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text in "Zz":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-offset if text[0] == "-" else offset)
