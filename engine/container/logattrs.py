"""What a log driver adds to each line about its container: labels and variables picked by log options.

Source: docker's reference of the json-file log driver, options labels, labels-regex, env, env-regex.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from engine.errdefs import InvalidParameter


def attributes(
    options: Mapping[str, str], labels: Mapping[str, str], env: Iterable[str]
) -> dict[str, str] | None:
    """Name → value of those that the options name, None if there are none.

    Raises InvalidParameter for an option that is no regular expression and should be.
    """
    variables = {name: value for name, equals, value in (one.partition("=") for one in env) if equals}
    found: dict[str, str] = {}
    for key, have in (("labels", labels), ("env", variables)):
        names = set((options.get(key) or "").split(","))
        pattern = _pattern(options.get(f"{key}-regex") or "")
        for name, value in have.items():
            if name in names or (pattern is not None and pattern.search(name)):
                found[name] = value
    return found or None


def _pattern(text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as exc:
        raise InvalidParameter(f"invalid regular expression in a log option: {text!r}: {exc}") from exc
