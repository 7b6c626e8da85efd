"""The passwd file of a container, as far as init needs it. Names are resolved in `engine.container`."""

from __future__ import annotations


def home_of(uid: int, passwd: str) -> str:
    """The home directory of `uid` by passwd(5) text, "/" if it has none."""
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) >= 6 and fields[2] == str(uid):
            return fields[5] or "/"
    return "/"
