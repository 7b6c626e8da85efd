"""`pymachine inspect`: the record, whole or a member of it."""

from __future__ import annotations

import re
from typing import Any

import click
import msgspec

from engine.errdefs import InvalidParameter
from machine.store import Store

_EXPRESSION = re.compile(r"\{\{\s*(?:(json|prettyjson)\s+)?\.([A-Za-z0-9_.]*)\s*\}\}")


def render(template: str, value: Any) -> str:
    """``{{.Driver.IPAddress}}``, ``{{json .HostOptions}}``, ``{{prettyjson .}}``, and text between them.

    InvalidParameter for a member that is not there and for anything else between braces.
    """

    def replace(match: re.Match[str]) -> str:
        found = value
        for key in filter(None, match[2].split(".")):
            if not isinstance(found, dict) or key not in found:
                raise InvalidParameter(f"template: no member {key!r} in .{match[2]}")
            found = found[key]
        if match[1] or not isinstance(found, str):
            encoded = msgspec.json.encode(found)
            return (msgspec.json.format(encoded, indent=4) if match[1] == "prettyjson" else encoded).decode()
        return found

    text = _EXPRESSION.sub(replace, template)
    if "{{" in _EXPRESSION.sub("", template):
        raise InvalidParameter(
            f"template: can't evaluate {template!r}; use {{{{.Member}}}} or {{{{json .Member}}}}"
        )
    return text


@click.command()
@click.argument("name", default="default")
@click.option(
    "-f", "--format", "template", default="{{prettyjson .}}", help="Template, as {{.Driver.IPAddress}}"
)
@click.pass_obj
def inspect(store: Store, name: str, template: str) -> None:
    """Show what is recorded of the machine NAME."""
    machine = store.load(name)
    click.echo(render(template, msgspec.to_builtins(machine.record)))
