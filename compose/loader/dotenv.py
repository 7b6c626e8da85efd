"""Environment files: ``KEY=value`` lines.

    file    := { blank | "#" comment | ["export"] KEY [("=" | ":") value] }
    value   := "'" literal "'"            as it stands, over lines
             | '"' escaped '"'            \\n \\r \\t \\" \\\\ \\$, and variables; over lines
             | rest of the line           up to " #", stripped, with variables

A bare KEY takes the value that the lookup has, and is left out where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from compose.errors import ConfigurationNotFound, FileInvalid
from compose.loader.interpolate import BadTemplate, MissingVariable, Substitution

_KEY = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.\-\[\]]*)[ \t]*")
_BLANK = re.compile(r"(?:[ \t]*(?:#[^\n]*)?(?:\n|\Z))|[ \t]+")
_COMMENT = re.compile(r"\s#")
_ESCAPES = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    '"': '"',
    "\\": "\\",
    "'": "'",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
}

Lookup = Callable[[str], str | None]


def _nothing(_name: str) -> str | None:
    return None


def parse_dotenv(text: str, lookup: Lookup = _nothing, *, file: str = "") -> dict[str, str]:
    """The variables of an environment file, in order; a later line may use an earlier one.

    `lookup` answers names that the file itself doesn't define. Raises FileInvalid with the line.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    result: dict[str, str] = {}
    substitution = Substitution(lambda name: result[name] if name in result else lookup(name))
    at = 0
    while at < len(text):
        blank = _BLANK.match(text, at)
        if blank and blank.end() > at:
            at = blank.end()
            continue
        line = text.count("\n", 0, at) + 1
        key = _KEY.match(text, at)
        if not key:
            shown = text[at:].split("\n", 1)[0]
            raise FileInvalid(f'unexpected "{shown}": expected KEY=value', file=file, line=line)
        name, at = key.group(1), key.end()
        if at < len(text) and text[at] in "=:":
            try:
                value, at = _value(text, at + 1, substitution)
            except BadTemplate as exc:
                raise FileInvalid(
                    f"{name} has an invalid interpolation: {exc}", file=file, line=line
                ) from exc
            except MissingVariable as exc:
                raise FileInvalid(f"{name}: {exc}", file=file, line=line) from exc
            except _Unterminated as exc:
                raise FileInvalid(f"{name} has an unterminated quoted value", file=file, line=line) from exc
            result[name] = value
            continue
        rest, _, _ = text[at:].partition("\n")
        if rest.strip() and not rest.lstrip().startswith("#"):
            raise FileInvalid(f'key "{name}" cannot contain a space', file=file, line=line)
        at += len(rest)
        inherited = lookup(name)
        if inherited is not None:
            result[name] = inherited
    return result


class _Unterminated(ValueError):
    pass


def _value(text: str, at: int, substitution: Substitution) -> tuple[str, int]:
    while at < len(text) and text[at] in " \t":
        at += 1
    quote = text[at : at + 1]
    if quote == "'":
        end = text.find("'", at + 1)
        if end < 0:
            raise _Unterminated
        return text[at + 1 : end], _line_end(text, end + 1)
    if quote == '"':
        return _double_quoted(text, at + 1, substitution)
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    raw = text[at:end]
    comment = _COMMENT.search(" " + raw)
    if comment:
        raw = raw[: max(comment.start() - 1, 0)]
    return substitution.text(raw.strip()), end


def _double_quoted(text: str, at: int, substitution: Substitution) -> tuple[str, int]:
    parts: list[str] = []
    while True:
        if at >= len(text):
            raise _Unterminated
        char = text[at]
        if char == '"':
            break
        if char == "\\" and at + 1 < len(text):
            following = text[at + 1]
            # "\$" must survive the interpolation that comes after, as a literal dollar
            parts.append("$$" if following == "$" else _ESCAPES.get(following, char + following))
            at += 2
            continue
        parts.append(char)
        at += 1
    return substitution.text("".join(parts)), _line_end(text, at + 1)


def _line_end(text: str, at: int) -> int:
    """After a closing quote only a comment may follow; what else follows is dropped."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def parse_raw(text: str) -> dict[str, str]:
    """``format: raw``: KEY=value lines taken as they stand, quotes and dollars included."""
    result: dict[str, str] = {}
    for line in text.removeprefix("\ufeff").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            name, _, value = line.partition("=")
            result[name.strip()] = value
    return result


def read_dotenv(path: Path, lookup: Lookup = _nothing, *, raw: bool = False) -> dict[str, str]:
    """`parse_dotenv` of a file. Raises ConfigurationNotFound if there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise ConfigurationNotFound(f"env file {path} not found") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise FileInvalid(f"couldn't be read: {exc}", file=str(path)) from exc
    return parse_raw(text) if raw else parse_dotenv(text, lookup, file=str(path))
