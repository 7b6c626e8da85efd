"""Who a process runs as: `User` and `GroupAdd` looked up in the image's /etc/passwd and /etc/group.

Pure: the caller reads the files (confined to the container's root) and gives their text. Error words are
docker's. Formats: passwd(5), group(5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.errdefs import InvalidParameter

MAX_ID = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Identity:
    """Numbers to run as. groups: supplementary ones. home: for $HOME, "" for none."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = ""


@dataclass(frozen=True, slots=True)
class _User:
    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    gid: int
    members: tuple[str, ...]


def resolve(spec: str, extra: Iterable[str], passwd: str, group: str) -> Identity:
    """`spec` is user[:group], each a name or a number; `extra` names further groups.

    An unknown name is refused (InvalidParameter); an unknown number is taken as it is, with group 0.
    """
    user_part, _, group_part = spec.partition(":")
    groups = list(_groups(group))
    user = _find_user(user_part or "0", passwd)
    gid = user.gid
    supplementary = [one.gid for one in groups if user.name and user.name in one.members]
    if group_part:
        gid = _find_group(group_part, groups, "unable to find group {}: no matching entries in group file")
        supplementary = []
    words = "Unable to find group {}: no matching entries in group file"
    supplementary += [_find_group(name, groups, words) for name in extra]
    # The primary group is among them, so that dropping it can't get round a file that excludes it.
    return Identity(user.uid, gid, tuple(dict.fromkeys([gid, *supplementary])), user.home)


def _find_user(name: str, passwd: str) -> _User:
    number = _number(name)
    for user in _users(passwd):
        if user.name == name or (number is not None and user.uid == number):
            return user
    if number is None:
        raise InvalidParameter(f"unable to find user {name}: no matching entries in passwd file")
    if not 0 <= number <= MAX_ID:
        raise InvalidParameter("uids and gids must be in range 0-2147483647")
    return _User("", number, 0, "/")


def _find_group(name: str, groups: list[_Group], words: str) -> int:
    number = _number(name)
    for one in groups:
        if one.name == name or (number is not None and one.gid == number):
            return one.gid
    if number is None:
        raise InvalidParameter(words.format(name))
    if not 0 <= number <= MAX_ID:
        raise InvalidParameter("uids and gids must be in range 0-2147483647")
    return number


def _number(text: str) -> int | None:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() else None


def _users(passwd: str) -> Iterator[_User]:
    for fields in _lines(passwd):
        if len(fields) >= 4 and fields[2].isdigit() and fields[3].isdigit():
            yield _User(
                fields[0], int(fields[2]), int(fields[3]), (fields[5] if len(fields) > 5 else "") or "/"
            )


def _groups(group: str) -> Iterator[_Group]:
    for fields in _lines(group):
        if len(fields) >= 3 and fields[2].isdigit():
            members = fields[3].split(",") if len(fields) > 3 else []
            yield _Group(fields[0], int(fields[2]), tuple(one for one in members if one))


def _lines(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.strip().split(":")
