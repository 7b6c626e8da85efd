"""Variables in values: ``$NAME``, ``${NAME}``, and ``${NAME<op>operand}`` with operands that nest.

    tmpl := (text | "$$" | "$"NAME | "${"NAME[OP tmpl]"}")*
    OP   := :- | - | :? | ? | :+ | +

An operand is evaluated only when it is used, so ``${A:-${B:?must be set}}`` fails only without A.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compose.errors import FileInvalid, Path

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


@dataclass(frozen=True, slots=True)
class Variable:
    """A reference to a variable; `operand` is a parsed template."""

    name: str
    operator: str = ""
    operand: tuple[str | Variable, ...] = ()


Template = tuple[str | Variable, ...]


class BadTemplate(ValueError):
    """The text is not a template."""


class MissingVariable(ValueError):
    """``${X:?message}`` and X is not set."""


def parse_template(text: str) -> Template:
    """The parts of a template. Raises BadTemplate."""
    parts, end = _parts(text, 0, nested=False)
    assert end == len(text)
    return parts


def _parts(text: str, at: int, *, nested: bool) -> tuple[Template, int]:
    parts: list[str | Variable] = []
    start = at
    while at < len(text):
        char = text[at]
        if nested and char == "}":
            break
        if char != "$":
            at += 1
            continue
        if at > start:
            parts.append(text[start:at])
        if text.startswith("$$", at):
            parts.append("$")
            at += 2
        elif text.startswith("${", at):
            variable, at = _braced(text, at + 2)
            parts.append(variable)
        else:
            match = _NAME.match(text, at + 1)
            if not match:
                raise BadTemplate(text)
            parts.append(Variable(match.group()))
            at = match.end()
        start = at
    if at > start:
        parts.append(text[start:at])
    return tuple(parts), at


def _braced(text: str, at: int) -> tuple[Variable, int]:
    match = _NAME.match(text, at)
    if not match:
        raise BadTemplate(text)
    name, at = match.group(), match.end()
    operator = next((op for op in _OPERATORS if text.startswith(op, at)), "")
    operand: Template = ()
    if operator:
        operand, at = _parts(text, at + len(operator), nested=True)
    if at >= len(text) or text[at] != "}":
        raise BadTemplate(text)
    return Variable(name, operator, operand), at + 1


@dataclass(slots=True)
class Substitution:
    """A lookup, and what was noticed while using it: the names that were unset without a default."""

    lookup: Callable[[str], str | None]
    unset: dict[str, None] = field(default_factory=dict)

    def text(self, text: str) -> str:
        """`text` with its variables replaced. Raises BadTemplate, MissingVariable."""
        if "$" not in text:
            return text
        return self._evaluate(parse_template(text))

    def _evaluate(self, template: Template) -> str:
        return "".join(part if isinstance(part, str) else self._variable(part) for part in template)

    def _variable(self, variable: Variable) -> str:
        value = self.lookup(variable.name)
        operator = variable.operator
        present = value is not None and (value != "" or not operator.startswith(":"))
        if operator.endswith("+"):
            return self._evaluate(variable.operand) if present else ""
        if present:
            return value or ""
        if operator.endswith("-"):
            return self._evaluate(variable.operand)
        if operator.endswith("?"):
            message = self._evaluate(variable.operand)
            raise MissingVariable(
                f"required variable {variable.name} is missing a value" + (f": {message}" if message else "")
            )
        self.unset[variable.name] = None
        return ""


def interpolate(tree: Any, environment: Mapping[str, str], unset: dict[str, None] | None = None) -> Any:
    """A copy of `tree` with variables in its string values replaced; keys are left alone.

    Names that were used unset are added to `unset`, for the caller to warn once. Raises
    FileInvalid naming the path.
    """
    substitution = Substitution(environment.get, {} if unset is None else unset)
    return _walk(tree, substitution, ())


def _walk(tree: Any, substitution: Substitution, path: Path) -> Any:
    if isinstance(tree, str):
        if "$" not in tree:
            return tree
        try:
            return substitution.text(tree)
        except BadTemplate as exc:
            raise FileInvalid(
                f'has an invalid interpolation format: "{tree}": you may need to escape any $ with another $',
                path=path,
            ) from exc
        except MissingVariable as exc:
            raise FileInvalid(f"cannot be interpolated: {exc}", path=path) from exc
    if isinstance(tree, dict):
        return {key: _walk(value, substitution, (*path, key)) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_walk(value, substitution, (*path, i)) for i, value in enumerate(tree)]
    return tree
