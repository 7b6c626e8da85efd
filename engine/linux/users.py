"""Users and groups by the passwd and group files of an image.

Pure functions over the files' text: the caller reads them from inside the container's root.
"""

from __future__ import annotations


class UserError(ValueError):
    """A name that the files do not have; the text has docker's words."""


class ResolvedUser:
    """uid, gid, supplementary gids and home directory of a user."""

    __slots__ = ("additional_gids", "gid", "home", "uid")

    def __init__(self, uid: int, gid: int, additional_gids: list[int], home: str) -> None:
        self.uid, self.gid, self.additional_gids, self.home = uid, gid, additional_gids, home


def _entries(text: str, fields: int) -> list[list[str]]:
    rows = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            row = line.split(":")
            if len(row) >= fields:
                rows.append(row)
    return rows


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and int(text) < 1 << 31 else None


def home_of(uid: int, passwd: str) -> str:
    """The home directory of `uid`, "/" if it has none."""
    for row in _entries(passwd, 6):
        if row[2] == str(uid):
            return row[5] or "/"
    return "/"


def resolve_group(group: str, groups: str) -> int:
    """A group name or number as gid; a name wins over a number. UserError if unknown."""
    for row in _entries(groups, 3):
        gid = _number(row[2])
        if row[0] == group and gid is not None:
            return gid
    gid = _number(group)
    if gid is None:
        raise UserError(f"unable to find group {group}: no matching entries in group file")
    return gid


def resolve(spec: str, passwd: str, groups: str, additional: list[str] | None = None) -> ResolvedUser:
    """Resolve docker's `user[:group]`, names or numbers, "" for root.

    Supplementary groups come from the group file when no group was given, plus `additional`
    (--group-add). UserError if a name is unknown.
    """
    user, _, group = spec.partition(":")
    uid, gid, home, name = 0, 0, "/", ""
    number = _number(user)
    for row in _entries(passwd, 6):
        if row[0] == user or row[2] == (user or "0"):
            uid, gid, home, name = int(row[2]), int(row[3]), row[5] or "/", row[0]
            break
    else:
        if user and number is None:
            raise UserError(f"unable to find user {user}: no matching entries in passwd file")
        uid = number or 0
    extra: list[int] = []
    if group:
        gid = resolve_group(group, groups)
    elif name:
        for row in _entries(groups, 4):
            member_gid = _number(row[2])
            if member_gid is not None and name in row[3].split(","):
                extra.append(member_gid)
    extra.extend(resolve_group(entry, groups) for entry in additional or ())
    return ResolvedUser(uid, gid, list(dict.fromkeys(extra)), home)
