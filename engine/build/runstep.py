"""RUN: what is executed, and the line that stands for it. Pure but for a script that is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.build.instructions import Instruction
from engine.build.metadata import PREDEFINED, State
from engine.errdefs import InvalidParameter, Unsupported

# Below /dev, which is a tmpfs of the container's own: nothing of it can stay in the image.
_SCRIPTS = "/dev/pipes"

NETWORKS = {"default": "", "none": "none", "host": "host"}


def check(step: Instruction) -> None:
    """Refuse what this builder cannot do, naming the option."""
    if "mount" in step.flags:
        raise Unsupported(
            "the --mount option of RUN is not supported by this builder; use COPY, or a stage of its own, "
            "for what the mount would bring"
        )
    if step.flags.get("security", "sandbox") != "sandbox":
        raise Unsupported("the --security=insecure option of RUN is not supported by this builder")
    network = step.flags.get("network", "default")
    if network not in NETWORKS:
        raise InvalidParameter(f"unsupported network mode {network!r} (known: {', '.join(NETWORKS)})")


def network_of(step: Instruction, default: str) -> str:
    """The network mode of one RUN; `default` is the build's."""
    return NETWORKS[step.flags.get("network", "default")] or default


def command_of(step: Instruction, state: State, scratch: Path) -> tuple[list[str], dict[str, str]]:
    """The argument vector, and files it needs (container path → host path).

    A here-document that is the whole command is a script: for the shell, or for the interpreter that
    its first line names. Any other one is the shell's business and handed on with the command.
    """
    if step.json:
        return list(step.args), {}
    text = step.args[0] if step.args else ""
    if not step.heredocs:
        return [*state.shell, text] if text else state.shell, {}
    first = step.heredocs[0]
    if len(step.heredocs) == 1 and text.lstrip("<-").strip("'\"") == first.name:
        if not first.content.startswith("#!"):
            return [*state.shell, first.content], {}
        script = scratch / f"script-{step.line}"
        script.write_text(first.content, errors="surrogateescape")
        script.chmod(0o755)
        inside = f"{_SCRIPTS}/{first.name}"
        return [inside], {inside: str(script)}
    parts = [text, *(f"{heredoc.content}{heredoc.name}" for heredoc in step.heredocs)]
    return [*state.shell, "\n".join(parts)], {}


def line_of(args: Sequence[str], step: Instruction, build_args: Mapping[str, str]) -> str:
    """The history's line: the command, and before it the build arguments it can see.

    The predefined ones (proxies) are left out: they hold passwords, and do not change the result.
    A script stands there with its content, as its path says nothing.
    """
    shown = {name: value for name, value in build_args.items() if name not in PREDEFINED}
    command = " ".join(args)
    if step.heredocs and not command.count("\n"):
        command = f"{command} # {step.heredocs[0].content}"
    if not shown:
        return command
    pairs = " ".join(f"{name}={value}" for name, value in sorted(shown.items()))
    return f"|{len(shown)} {pairs} {command}"
