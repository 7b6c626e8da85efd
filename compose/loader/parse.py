"""YAML text → plain dicts, lists and scalars, remembering where each value stands.

The C parser composes nodes, which carry their line; we turn nodes into values ourselves. That is
faster than PyYAML's constructors and lets us refuse duplicate keys, bound alias expansion, see
`!reset` and `!override`, and read scalars by YAML 1.2's core schema (``yes`` and ``22:22`` stay
strings, as users of compose files expect).

Lines aren't copied into a table while loading: `Document.locate` walks the kept nodes when an
error needs them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from compose.errors import FileInvalid, Path

MAX_NODES = 1_000_000
MAX_DEPTH = 200

_PLAIN = "plain"
_QUOTED = "quoted"
_CONSTANTS: dict[str, Any] = {"": None, "~": None}
_CONSTANTS |= dict.fromkeys(("null", "Null", "NULL"))
_CONSTANTS |= dict.fromkeys(("true", "True", "TRUE"), True)
_CONSTANTS |= dict.fromkeys(("false", "False", "FALSE"), False)
_INT = re.compile(r"[-+]?[0-9]+\Z")
_PREFIXED = re.compile(r"0(?:x[0-9a-fA-F]+|o[0-7]+|b[01]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_SPECIAL_FLOAT = {".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}
_NUMERIC_START = frozenset("0123456789+-.")

_Base: Any = yaml.SafeLoader  # PyYAML built without libyaml: five times slower
if yaml.__with_libyaml__:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]

    _Base = CParser


class _Parser(_Base):  # type: ignore[misc]
    """A node composer whose implicit tags are only "plain" and "quoted": values are resolved later."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _QUOTED
        return ""

    def descend_resolver(self, current_node: Any, current_index: Any) -> None: ...

    def ascend_resolver(self) -> None: ...


@dataclass(slots=True)
class Document:
    """One YAML document.

    tree: its content. resets: paths tagged `!reset` (gone from tree). overrides: paths tagged
    `!override`. Both are applied to what earlier documents said.
    """

    file: str
    root: yaml.Node | None
    tree: dict[str, Any]
    resets: list[Path] = field(default_factory=list)
    overrides: list[Path] = field(default_factory=list)

    def locate(self, path: Path) -> tuple[str, int]:
        """File and line (from 1) of the value at `path`, or of its nearest parent that exists."""
        node, line = self.root, 1
        for part in path:
            child = _child(node, part)
            if child is None:
                break
            line, node = child
        return self.file, line

    def has(self, path: Path) -> bool:
        """Whether this document states `path` itself."""
        node = self.root
        for part in path:
            child = _child(node, part)
            if child is None:
                return False
            node = child[1]
        return True


def _child(node: yaml.Node | None, part: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if getattr(key, "value", None) == str(part):
                return key.start_mark.line + 1, value
        for key, value in node.value:
            if getattr(key, "value", None) == "<<":
                sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for source in sources:
                    found = _child(source, part)
                    if found:
                        return found
    elif isinstance(node, yaml.SequenceNode):
        if isinstance(part, int) and part < len(node.value):
            return node.value[part].start_mark.line + 1, node.value[part]
        for item in node.value:  # a list in key=value form, addressed by key
            text = getattr(item, "value", None)
            if isinstance(text, str) and (text == part or text.startswith(f"{part}=")):
                return item.start_mark.line + 1, item
    return None


def parse(text: str | bytes, file: str) -> list[Document]:
    """All documents of a file; an empty file has none.

    Raises FileInvalid on bad YAML, a duplicate key, a top that isn't a mapping, or aliases that
    expand to more than MAX_NODES values.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            raise FileInvalid("is not valid UTF-8 text", file=file) from exc
    documents = []
    try:
        parser = _Parser(text)
        try:
            while parser.check_node():
                node = parser.get_node()
                documents.append(_document(node, file))
        finally:
            parser.dispose()
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        raise FileInvalid(
            f"yaml: {exc.problem or exc.context}", file=file, line=mark.line + 1 if mark else 0
        ) from exc
    except yaml.YAMLError as exc:
        raise FileInvalid(f"yaml: {exc}", file=file) from exc
    return documents


def _document(node: yaml.Node, file: str) -> Document:
    document = Document(file, node, {})
    tree = _Convert(document).value(node, (), 0)
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise FileInvalid("top-level object must be a mapping", file=file, line=node.start_mark.line + 1)
    document.tree = tree
    return document


class _Convert:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.nodes = 0

    def fail(self, problem: str, node: yaml.Node, path: Path) -> FileInvalid:
        return FileInvalid(problem, path=path, file=self.document.file, line=node.start_mark.line + 1)

    def value(self, node: yaml.Node, path: Path, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.fail("expands to too many values: excessive aliasing", node, path)
        if depth > MAX_DEPTH:
            raise self.fail("is nested too deeply (or contains itself)", node, path)
        if node.tag == "!override":
            self.document.overrides.append(path)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        if isinstance(node, yaml.SequenceNode):
            items = [self.value(child, (*path, i), depth + 1) for i, child in enumerate(node.value)]
            return [item for item, child in zip(items, node.value, strict=True) if child.tag != "!reset"]
        return self.mapping(node, path, depth)

    def mapping(self, node: yaml.Node, path: Path, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.fail("has a key that is not a string", key_node, path)
            key = key_node.value
            if key == "<<" and key_node.tag == _PLAIN:
                for name, value in self.merge_key(value_node, path, depth).items():
                    merged.setdefault(name, value)
                continue
            if key in result:
                raise self.fail(f'mapping key "{key}" already defined', key_node, path)
            if value_node.tag == "!reset":
                self.document.resets.append((*path, key))
                continue
            result[key] = self.value(value_node, (*path, key), depth + 1)
        if merged:
            return {**merged, **result}
        return result

    def merge_key(self, node: yaml.Node, path: Path, depth: int) -> dict[str, Any]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, Any] = {}
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                raise self.fail("<<: must be a mapping, or a list of mappings", source, path)
            for key, value in self.mapping(source, path, depth + 1).items():
                result.setdefault(key, value)
        return result

    def scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text, tag = node.value, node.tag
        if tag == _QUOTED:
            return text
        if tag in (_PLAIN, "!override", "!reset"):
            return _resolve(text)
        name = tag.removeprefix("tag:yaml.org,2002:")
        if name in ("str", "binary", "timestamp"):
            return text
        if name in ("int", "float", "bool", "null"):
            return _resolve(text)
        raise self.fail(f"has the unknown tag {tag}", node, path)


def _resolve(text: str) -> Any:
    if not text or text[0] not in _NUMERIC_START:
        return _CONSTANTS.get(text, text)
    if _INT.match(text):
        digits = text.lstrip("+-")
        if len(digits) > 1 and digits[0] == "0":  # 0644: file modes are written so
            return text if set(digits) & {"8", "9"} else int(text, 8)
        return int(text)
    if _PREFIXED.match(text):
        return int(text, 0)
    if _FLOAT.match(text):
        return float(text)
    return _SPECIAL_FLOAT.get(text.lower(), text)
