"""The eighteen instructions: one table of how each is written, and the reading by it.

Source: the Dockerfile reference. `interpret` turns a parsed line into an `Instruction` whose words
are still unexpanded, as variables are only known when its step runs.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from engine.build.parser import DockerfileError, Heredoc, Node, parse_line
from engine.errdefs import InvalidParameter

_STAGE_NAME = re.compile(r"[a-z][a-z0-9\-_.]*")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, read. Which members mean something depends on its form (`TABLE`).

    args: words, or one command string, or for the exec form its arguments. json: written as a JSON
    array. pairs: of ENV and LABEL. flags: name → value ("true" for a bare one). inner: what an
    ONBUILD triggers, or the CMD of a HEALTHCHECK.
    """

    name: str
    line: int
    original: str
    args: tuple[str, ...] = ()
    json: bool = False
    pairs: tuple[tuple[str, str], ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """How an instruction is written. read: makes args, json and pairs of the text after the flags.

    least, exactly: how many arguments it takes (0: not checked). switches: flags without a value.
    """

    read: Callable[[Node, str], dict[str, Any]]
    flags: frozenset[str] = frozenset()
    switches: frozenset[str] = frozenset()
    least: int = 0
    exactly: int = 0


def interpret(node: Node, escape: str = "\\") -> Instruction:
    """Read one line. Raises DockerfileError naming the line, with docker's words."""
    rule = TABLE.get(node.name)
    if rule is None:
        near = difflib.get_close_matches(node.name, TABLE, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise DockerfileError(node.first, f"unknown instruction: {node.name}{hint}")
    try:
        flags = _flags(node, rule)
        members = rule.read(node, escape)
        _count(node.name, rule, len(members.get("args", ())))
    except DockerfileError:
        raise
    except InvalidParameter as exc:
        raise DockerfileError(node.first, str(exc)) from exc
    return Instruction(node.name, node.first, node.original, flags=flags, heredocs=node.heredocs, **members)


def interpret_line(line: str, number: int = 1, escape: str = "\\") -> Instruction:
    """The same for a line on its own: an ONBUILD trigger, a ``--change``."""
    return interpret(parse_line(line, number, escape), escape)


def _flags(node: Node, rule: Rule) -> dict[str, str]:
    result: dict[str, str] = {}
    for text in node.flags:
        name, equals, value = text[2:].partition("=")
        if name not in rule.flags | rule.switches:
            near = difflib.get_close_matches(name, rule.flags | rule.switches, n=1)
            raise InvalidParameter(f"Unknown flag: {name}" + (f" (did you mean {near[0]}?)" if near else ""))
        if name in rule.switches:
            if equals and value.lower() not in ("true", "false"):
                raise InvalidParameter(f"Expecting boolean value for flag {name}, not: {value}")
            if value.lower() != "false":
                result[name] = "true"
            continue
        if not equals:
            raise InvalidParameter(f"Missing a value on flag: {name}")
        if name in _REPEATABLE:
            result[name] = f"{result[name]}\n{value}" if name in result else value
        elif name in result:
            raise InvalidParameter(f"Duplicate flag specified: {name}")
        else:
            result[name] = value
    return result


def _count(name: str, rule: Rule, number: int) -> None:
    if name in ("ADD", "COPY") and number == 1:
        raise InvalidParameter(
            f"{name} requires at least two arguments, but only one was provided. "
            "Destination could not be determined"
        )
    if number < rule.least:
        words = {1: "one argument", 2: "two arguments"}[rule.least]
        raise InvalidParameter(f"{name} requires at least {words}")
    if rule.exactly and number != rule.exactly:
        raise InvalidParameter(f"{name} requires exactly one argument")


# Forms


def _json_array(text: str) -> tuple[str, ...] | None:
    """A JSON array of strings; None if the text is no JSON array, and so the other form."""
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if not all(isinstance(item, str) for item in value):
        raise InvalidParameter("when using JSON array syntax, arrays must be comprised of strings only")
    return tuple(value)


def _command(node: Node, escape: str) -> dict[str, Any]:
    """A shell's command line, or the exec form."""
    array = _json_array(node.args)
    if array is not None:
        return {"args": array, "json": True}
    return {"args": (node.args,) if node.args else ()}


def _words(node: Node, escape: str) -> dict[str, Any]:
    """Words between blanks, or a JSON array (for names with blanks). Quotes keep their meaning."""
    array = _json_array(node.args)
    if array is not None:
        return {"args": array, "json": True}
    return {"args": tuple(split_words(node.args, escape))}


def _paths(node: Node, escape: str) -> dict[str, Any]:
    """As `_words`, the here-documents' marks among them as they stand."""
    array = _json_array(node.args)
    return {"args": array, "json": True} if array is not None else {"args": tuple(node.args.split())}


def _exec_only(node: Node, escape: str) -> dict[str, Any]:
    array = _json_array(node.args)
    if array is None:
        raise InvalidParameter(f"{node.name} requires the arguments to be in JSON form")
    return {"args": array, "json": True}


def _string(node: Node, escape: str) -> dict[str, Any]:
    return {"args": (node.args,) if node.args else ()}


def _pairs(node: Node, escape: str) -> dict[str, Any]:
    """``name=value …``, or the old ``name all the rest``."""
    words = split_words(node.args, escape)
    if not words:
        raise InvalidParameter(f"{node.name} requires at least one argument")
    if "=" not in words[0]:
        name, _, value = node.args.partition(" ")
        if not value.strip():
            raise InvalidParameter(f"{node.name} must have two arguments")
        return {"pairs": ((name, value.strip()),)}
    pairs = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidParameter(
                f'Syntax error - can\'t find = in "{word}". Must be of the form: name=value'
            )
        if not name:
            raise InvalidParameter(f"{node.name} names can not be blank")
        pairs.append((name, value))
    return {"pairs": tuple(pairs)}


def _from(node: Node, escape: str) -> dict[str, Any]:
    words = node.args.split()
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise InvalidParameter("FROM requires either one or three arguments")
    if len(words) == 3 and not _STAGE_NAME.fullmatch(words[2].lower()):
        raise InvalidParameter(
            f'invalid name for build stage: "{words[2]}", name can\'t start with a number or contain symbols'
        )
    return {"args": (words[0], words[2].lower()) if len(words) == 3 else (words[0],)}


def _healthcheck(node: Node, escape: str) -> dict[str, Any]:
    """args: ("NONE",) or ("CMD", …) or ("CMD-SHELL", text), as the API's Test has them."""
    kind, _, rest = node.args.partition(" ")
    kind, rest = kind.upper(), rest.strip()
    if not kind:
        raise InvalidParameter("HEALTHCHECK requires at least one argument")
    if kind == "NONE":
        if rest:
            raise InvalidParameter("HEALTHCHECK NONE takes no arguments")
        return {"args": ("NONE",)}
    if kind != "CMD":
        raise InvalidParameter(f'Unknown type "{kind}" in HEALTHCHECK (try CMD)')
    array = _json_array(rest)
    if not rest or array == ():
        raise InvalidParameter("Missing command after HEALTHCHECK CMD")
    return {"args": ("CMD", *array) if array is not None else ("CMD-SHELL", rest)}


def _onbuild(node: Node, escape: str) -> dict[str, Any]:
    if not node.args and not node.flags:
        raise InvalidParameter("ONBUILD requires at least one argument")
    trigger = interpret_line(node.args, node.first, escape)
    if trigger.name == "ONBUILD":
        raise InvalidParameter("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if trigger.name in ("FROM", "MAINTAINER"):
        raise InvalidParameter(f"{trigger.name} isn't allowed as an ONBUILD trigger")
    return {"args": (node.args,)}


def split_words(text: str, escape: str = "\\") -> list[str]:
    """Split at blanks outside of quotes; quotes and escapes stay in the words, for `expand`."""
    words, current, quote, at = [], "", "", 0
    while at < len(text):
        char = text[at]
        if char == escape and quote != "'" and at + 1 < len(text):
            current += text[at : at + 2]
            at += 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char.isspace():
            if current:
                words.append(current)
            current = ""
            at += 1
            continue
        current += char
        at += 1
    return [*words, current] if current else words


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_REPEATABLE = _names("mount exclude")

TABLE: Mapping[str, Rule] = MappingProxyType(
    {
        "ADD": Rule(
            _paths, _names("chown chmod checksum exclude"), _names("link keep-git-dir unpack"), least=2
        ),
        "ARG": Rule(_words, least=1),
        "CMD": Rule(_command),
        "COPY": Rule(_paths, _names("from chown chmod exclude"), _names("link parents"), least=2),
        "ENTRYPOINT": Rule(_command),
        "ENV": Rule(_pairs),
        "EXPOSE": Rule(_words, least=1),
        "FROM": Rule(_from, _names("platform")),
        "HEALTHCHECK": Rule(
            _healthcheck, _names("interval timeout start-period start-interval retries"), least=1
        ),
        "LABEL": Rule(_pairs),
        "MAINTAINER": Rule(_string, exactly=1),
        "ONBUILD": Rule(_onbuild, least=1),
        "RUN": Rule(_command, _names("mount network security")),
        "SHELL": Rule(_exec_only, least=1),
        "STOPSIGNAL": Rule(_string, exactly=1),
        "USER": Rule(_string, exactly=1),
        "VOLUME": Rule(_words, least=1),
        "WORKDIR": Rule(_string, exactly=1),
    }
)
