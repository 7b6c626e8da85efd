"""Does a document have the shape that the schema asks for, and if not, what is wrong?

Importing jsonschema takes longer than loading a whole project, so a valid document is recognized
by closures compiled from the same schema (`accepts`); jsonschema is imported only to explain a
document that they refuse.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from compose.errors import FileInvalid, Path
from compose.loader.schema import SCHEMA, Schema

Check = Callable[[Any], bool]

_TYPES: dict[str, Check] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
}
_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_compiled: dict[int, Check] = {}
_top: list[Check] = []


def validate(tree: Any) -> None:
    """Raise FileInvalid, with the path of the first violation and what was expected there."""
    if not _top:
        _top.append(_compile(SCHEMA))
    if not _top[0](tree):
        raise explain(tree)


def accepts(schema: Schema, value: Any) -> bool:
    """Whether `value` satisfies `schema` (of the keywords that our schema uses)."""
    return _compile(schema)(value)


def _compile(schema: Schema) -> Check:
    known = _compiled.get(id(schema))
    if known is None:
        known = _compiled[id(schema)] = _build(schema)
    return known


def _build(schema: Schema) -> Check:
    if "anyOf" in schema:
        checks = [_lazy(option) for option in schema["anyOf"]]
        return lambda value: any(check(value) for check in checks)
    if "enum" in schema:
        allowed = schema["enum"]
        return lambda value: value in allowed
    if "type" not in schema:
        return lambda value: True
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    type_checks = tuple(_TYPES[name] for name in types)
    if "object" in types:
        inside = _object(schema)
        scalars = tuple(_TYPES[name] for name in types if name != "object")
        return lambda value: (
            inside(value) if isinstance(value, dict) else any(check(value) for check in scalars)
        )
    if "items" in schema:
        item = _lazy(schema["items"])
        return lambda value: isinstance(value, list) and all(map(item, value))
    if len(type_checks) == 1:
        return type_checks[0]
    return lambda value: any(check(value) for check in type_checks)


def _lazy(schema: Schema) -> Check:
    """Compiled at first use: most files use few of the attributes there are."""
    holder: list[Check] = []

    def check(value: Any) -> bool:
        if not holder:
            holder.append(_compile(schema))
        return holder[0](value)

    return check


def _object(schema: Schema) -> Check:
    properties = {name: _lazy(child) for name, child in schema.get("properties", {}).items()}
    patterns = [(re.compile(p), _lazy(child)) for p, child in schema.get("patternProperties", {}).items()]
    required = schema.get("required", ())
    additional = schema.get("additionalProperties", True)
    rest = _lazy(additional) if isinstance(additional, dict) else None

    def check(value: dict[str, Any]) -> bool:
        for key, child in value.items():
            test = properties.get(key)
            if test is None:
                test = next((known for pattern, known in patterns if pattern.search(key)), rest)
                if test is None:
                    if additional is True:
                        continue
                    return False
            if not test(child):
                return False
        return all(key in value for key in required)

    return check


def explain(tree: Any) -> FileInvalid:
    """The most telling violation, in words."""
    from jsonschema import Draft202012Validator

    errors = sorted(
        Draft202012Validator(SCHEMA).iter_errors(tree), key=lambda e: [str(p) for p in e.absolute_path]
    )
    path, problem = _describe(_deepest(errors[0]))
    return FileInvalid(problem, path=path)


def _deepest(error: Any) -> Any:
    """Of an `anyOf`, the violation inside the option whose type did fit; else the `anyOf` itself."""
    if error.validator != "anyOf":
        return error
    inside = [
        child
        for child in error.context
        if len(child.path) > 0 or child.validator not in ("type", "enum", "anyOf")
    ]
    if inside:
        return _deepest(max(inside, key=lambda child: len(child.path)))
    nested = [_deepest(child) for child in error.context if child.validator == "anyOf"]
    deeper = [child for child in nested if child.validator != "anyOf"]
    return deeper[0] if deeper else error


def _describe(error: Any) -> tuple[Path, str]:
    path = tuple(error.absolute_path)
    match error.validator:
        case "type":
            return path, f"must be {_expected(error.schema)}"
        case "anyOf":
            return path, f"must be {_expected(error.schema)}"
        case "enum":
            return path, "must be one of " + ", ".join(str(value) for value in error.validator_value)
        case "required":
            missing = next(name for name in error.validator_value if name not in error.instance)
            return path, f"is missing the required attribute '{missing}'"
        case "additionalProperties":
            return _unknown_key(error, path)
    return path, str(error.message)


def _unknown_key(error: Any, path: Path) -> tuple[Path, str]:
    known = error.schema.get("properties", {})
    patterns = [re.compile(pattern) for pattern in error.schema.get("patternProperties", {})]
    extra = next(
        key for key in error.instance if key not in known and not any(p.search(key) for p in patterns)
    )
    if not known:
        return (*path, extra), "is an invalid name: expected letters, digits, '.', '_' and '-'"
    import difflib

    close = difflib.get_close_matches(extra, known, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    if not path:
        expected = hint or f": expected one of {', '.join(known)}, or x-…"
        return (extra,), f"is not a top-level attribute{expected}"
    return path, f"additional properties '{extra}' not allowed{hint}"


def _expected(schema: Schema) -> str:
    words: list[str] = []
    for option in schema.get("anyOf", [schema]):
        names = option.get("type", "value")
        for name in names if isinstance(names, list) else [names]:
            word = _WORDS.get(name, "a value")
            if "enum" in option:
                word = " or ".join(str(value) for value in option["enum"])
            if word not in words and not (word == "null" and len(words) > 0):
                words.append(word)
    if "a string" in words and "an integer" in words:
        words = [word for word in words if word != "a string"]
    if "a string" in words and "a number" in words:
        words = [word for word in words if word not in ("a string", "an integer")]
    if "a string" in words and "true or false" in words and len(words) == 2:
        words = ["true or false"]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
