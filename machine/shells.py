"""What `env` prints: one table of shells, and the variables in docker-machine's order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from engine.errdefs import InvalidParameter


@dataclass(frozen=True, slots=True)
class Shell:
    """How a shell sets and unsets a variable, begins a comment, and evaluates a command's output."""

    set: str
    unset: str
    comment: str
    hint: str


_POSIX = Shell('export {k}="{v}"', "unset {k}", "#", "eval $({command})")

SHELLS: Mapping[str, Shell] = {
    "sh": _POSIX,
    "bash": _POSIX,
    "zsh": _POSIX,
    "fish": Shell('set -gx {k} "{v}";', "set -e {k};", "#", "eval ({command})"),
    "powershell": Shell(
        '$Env:{k} = "{v}"', "Remove-Item Env:\\\\{k}", "#", "& {command} | Invoke-Expression"
    ),
    "cmd": Shell("SET {k}={v}", "SET {k}=", "REM", "\t@FOR /f \"tokens=*\" %i IN ('{command}') DO @%i"),
    "tcsh": Shell('setenv {k} "{v}";', "unsetenv {k};", ":", "eval `{command}`"),
    "emacs": Shell(
        '(setenv "{k}" "{v}")', '(setenv "{k}" nil)', ";;", "(eval-buffer with the output of {command})"
    ),
}

VARIABLES = ("DOCKER_TLS_VERIFY", "DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_MACHINE_NAME")


def detect(environ: Mapping[str, str] | None = None) -> str:
    """The user's shell by $SHELL; "sh" if that says nothing we know."""
    name = (os.environ if environ is None else environ).get("SHELL", "").rpartition("/")[2]
    return name if name in SHELLS else "sh"


def _shell(name: str) -> Shell:
    try:
        return SHELLS[name]
    except KeyError as exc:
        raise InvalidParameter(f"unknown shell {name!r} (known: {', '.join(SHELLS)})") from exc


def export(shell: str, values: Mapping[str, str], command: str) -> str:
    """Lines that set `values`, and a hint how to have the shell read them."""
    form = _shell(shell)
    lines = [form.set.format(k=key, v=value) for key, value in values.items()]
    return "\n".join([*lines, f"{form.comment} Run this command to configure your shell: ",
                      f"{form.comment} {form.hint.format(command=command)}"])  # fmt: skip


def unset(shell: str, command: str) -> str:
    """Lines that take the variables back."""
    form = _shell(shell)
    lines = [form.unset.format(k=key) for key in VARIABLES]
    return "\n".join([*lines, f"{form.comment} Run this command to configure your shell: ",
                      f"{form.comment} {form.hint.format(command=command)}"])  # fmt: skip
